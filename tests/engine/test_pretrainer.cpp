// Pre-training by masked tokens, and what all training shares: masks, state, accumulation, rows
// that learn.
#include "engine/pretrainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "compare.h"
#include "engine/network.h"
#include "engine/nn/batch.h"
#include "engine/nn/random.h"
#include "engine/train/mask.h"
#include "golden.h"
#include "slopes.h"
#include "small_network.h"

namespace {

using canal_test::golden_weights;
using canal_test::GoldenTokens;
using canal_test::relative_difference;

canal::PretrainerOptions options() {
  canal::PretrainerOptions o{};
  o.batch_size = 4;
  o.amsgrad = false;
  o.weight_decay = 0;
  o.redraw_interval = 0;
  o.batch_stabiliser = false;
  o.seed = 3;
  o.num_threads = 2;
  o.compute.precision = canal::Precision::float32;
  o.masked_share = 0.15;
  o.replaced_share = 0.9;
  o.zeros = 0;
  o.learn_positions = false;
  return o;
}

struct Cells {
  GoldenTokens tokens{"tokens"};
  canal::Weights weights = golden_weights("pretrained.pth");
  canal::Control control;
};

at::Tensor one_cell(const Cells& cells, int64_t cell) {
  const canal::NetworkSizes sizes = canal::sizes_of(cells.weights);
  return canal::token_batch(cells.tokens.view(), {cell}, sizes.positions, sizes.tokens - 1);
}

TEST(Mask, chooses_a_share_of_the_expressed_tokens_rounded_up) {
  const Cells cells;
  at::Generator generator = canal::make_generator(1);
  for (int64_t cell = 0; cell < cells.tokens.view().cells; ++cell) {
    const at::Tensor tokens = one_cell(cells, cell);
    const int64_t* token = tokens.data_ptr<int64_t>();
    int64_t expressed = 0;
    for (int64_t i = 0; i < tokens.size(1); ++i) expressed += token[i] != 0;
    const canal::MaskedCell masked = canal::mask_cell(tokens, {0.15, 0.9, 0, 6}, generator);
    EXPECT_EQ(static_cast<int64_t>(masked.places.size()),
              static_cast<int64_t>(std::ceil(0.15 * static_cast<double>(expressed))));
    const int64_t* hidden = masked.tokens.data_ptr<int64_t>();
    for (size_t i = 0; i < masked.places.size(); ++i) {
      EXPECT_NE(masked.truth[i], 0);
      EXPECT_EQ(masked.truth[i], token[masked.places[i]]);
    }
    for (int64_t i = 0; i < tokens.size(1); ++i) {
      const bool chosen = std::count(masked.places.begin(), masked.places.end(), i) > 0;
      EXPECT_TRUE(hidden[i] == token[i] || (chosen && hidden[i] == 6)) << i;
    }
  }
}

TEST(Mask, replaces_nine_tenths_and_chooses_zeros_when_asked) {
  const Cells cells;
  at::Generator generator = canal::make_generator(2);
  int64_t chosen = 0, replaced = 0;
  for (int repeat = 0; repeat < 200; ++repeat) {
    const canal::MaskedCell masked =
        canal::mask_cell(one_cell(cells, 0), {0.3, 0.9, 0, 6}, generator);
    chosen += static_cast<int64_t>(masked.places.size());
    for (const int64_t place : masked.places)
      replaced += masked.tokens.data_ptr<int64_t>()[place] == 6;
  }
  EXPECT_NEAR(static_cast<double>(replaced) / static_cast<double>(chosen), 0.9, 0.02);
  const canal::MaskedCell with_zeros =
      canal::mask_cell(one_cell(cells, 0), {0.15, 1, 0.5, 6}, generator);
  const auto zeros = std::count(with_zeros.truth.begin(), with_zeros.truth.end(), 0);
  const auto others = static_cast<int64_t>(with_zeros.truth.size()) - zeros;
  EXPECT_EQ(zeros, others / 2);
  EXPECT_NE(with_zeros.places.back(), one_cell(cells, 0).size(1) - 1);
}

TEST(Pretrainer, loss_and_accuracy_are_those_of_the_token_scores) {
  Cells cells;
  canal::PretrainerOptions o = options();
  o.zeros = 1;
  o.token_weights = {0.5, 1, 2, 3, 4, 5, 0};
  canal::Pretrainer trainer(cells.weights, o);
  const canal::MaskedSums sums = trainer.validate(cells.tokens.view(), 7, cells.control);
  // The same masks again, and the network's own scores.
  at::Generator generator = canal::make_generator(7);
  double loss = 0, weight = 0;
  int64_t right = 0, chosen = 0;
  const canal::Network network(cells.weights, o.compute);
  for (int64_t cell = 0; cell < cells.tokens.view().cells; ++cell) {
    const canal::MaskedCell masked =
        canal::mask_cell(one_cell(cells, cell), {0.15, 0.9, 1, 6}, generator);
    const int64_t length = masked.tokens.size(1);
    std::vector<uint8_t> bytes(length);
    std::copy_n(masked.tokens.data_ptr<int64_t>(), length, bytes.begin());
    const auto scores =
        network.forward({bytes.data(), 1, length}, {{canal::Output::mlm}, 1}, cells.control)[0];
    for (size_t i = 0; i < masked.places.size(); ++i) {
      const float* row = scores.values.data() + masked.places[i] * 7;
      double total = 0;
      for (int t = 0; t < 7; ++t) total += std::exp(row[t]);
      const int64_t truth = masked.truth[i];
      loss -= o.token_weights[truth] * (row[truth] - std::log(total));
      weight += o.token_weights[truth];
      right += std::max_element(row, row + 7) - row == truth;
      ++chosen;
    }
  }
  EXPECT_NEAR(sums.loss, loss, 1e-3 * loss);
  EXPECT_NEAR(sums.weight, weight, 1e-9 * weight);
  EXPECT_EQ(sums.chosen, chosen);
  EXPECT_EQ(sums.right, right);
  EXPECT_EQ(std::accumulate(sums.right_by_token.begin(), sums.right_by_token.end(), int64_t{0}),
            right);
}

TEST(Pretrainer, kernels_and_operators_give_the_same_gradients) {
  Cells cells;
  canal::PretrainerOptions o = options();
  o.learn_positions = true;
  const canal::Weights by_kernels =
      canal::Pretrainer(cells.weights, o).gradients(cells.tokens.view());
  o.compute.kernels = "libtorch";
  const canal::Weights by_operators =
      canal::Pretrainer(cells.weights, o).gradients(cells.tokens.view());
  ASSERT_EQ(by_kernels.size(), by_operators.size());
  for (const auto& [name, gradient] : by_operators)
    EXPECT_LT(relative_difference(*canal::find(by_kernels, name), gradient), 1e-3) << name;
  EXPECT_NE(canal::find(by_kernels, "to_out.weight"), nullptr);
  EXPECT_NE(canal::find(by_kernels, "pos_emb.emb.weight"), nullptr);
}

// Of the masked tokens, all of one weight and balanced, with zeros among them and without.
TEST(Pretrainer, gradients_agree_with_finite_differences) {
  const canal::Weights weights = canal_test::small_network(true, 1);
  const canal_test::SmallCells cells(3);
  canal::Control control;
  canal_test::Slopes known;
  known.frozen = canal_test::names_ending(weights, "projection_matrix");
  for (const char* kernels : {"", "libtorch"})
    for (const bool balanced : {false, true}) {
      SCOPED_TRACE(testing::Message() << kernels << " " << balanced);
      canal::PretrainerOptions o = options();
      o.num_threads = 1;
      o.masked_share = 0.4;
      o.learn_positions = true;
      o.compute.kernels = kernels;
      if (balanced) {
        o.token_weights = {0.5, 1, 2, 3, 4, 5, 0};
        o.zeros = 1;
      }
      // A step that moves nothing draws the masks that the gradients were taken with.
      const auto loss = [&](const canal::Weights& at) {
        const canal::MaskedSums sums = canal::Pretrainer(at, o).train(cells.view(), 0, control);
        return sums.loss / sums.weight;
      };
      canal_test::expect_slopes(weights, canal::Pretrainer(weights, o).gradients(cells.view()),
                                loss, known);
    }
}

canal::Weights trained(Cells& cells, const canal::PretrainerOptions& o, int epochs,
                       const canal::TrainingState* from = nullptr,
                       canal::TrainingState* to = nullptr) {
  canal::Pretrainer trainer(cells.weights, o);
  if (from != nullptr) trainer.restore(*from);
  for (int epoch = 0; epoch < epochs; ++epoch)
    trainer.train(cells.tokens.view(), 1e-3, cells.control);
  if (to != nullptr) *to = trainer.state();
  return trainer.weights();
}

bool same(const canal::Weights& a, const canal::Weights& b) {
  for (const auto& [name, array] : a)
    if (canal::find(b, name)->values != array.values) return false;
  return a.size() == b.size();
}

TEST(Pretrainer, goes_on_from_a_state_to_the_last_bit) {
  Cells cells;
  canal::PretrainerOptions o = options();
  o.redraw_interval = 5;
  for (const bool amsgrad : {false, true}) {
    o.amsgrad = amsgrad;
    canal::TrainingState state;
    trained(cells, o, 2, nullptr, &state);
    EXPECT_TRUE(same(trained(cells, o, 2, &state), trained(cells, o, 4)));
    state.generator.pop_back();
    EXPECT_THROW(trained(cells, o, 1, &state), canal::Error);
  }
}

TEST(Pretrainer, threads_change_nothing_and_seeds_do) {
  Cells cells;
  canal::PretrainerOptions o = options();
  const canal::Weights two = trained(cells, o, 1);
  o.num_threads = 1;
  EXPECT_TRUE(same(trained(cells, o, 1), two));
  o.seed = 4;
  EXPECT_FALSE(same(trained(cells, o, 1), two));
}

// The length of a gradient is a sum of so many numbers that LibTorch would share it out.
TEST(Pretrainer, nor_do_threads_where_gradients_are_clipped) {
  canal::PretrainerOptions o = options();
  o.clip_norm = 1e-3;
  const canal::Weights wide =
      canal::initial_weights({7, 13, 256, 1, 2, 4, 9, 512, 0, 0, 0, true}, {1, 1, 1});
  const canal_test::SmallCells cells(8);
  canal::Control control;
  const auto trained_on = [&](int threads) {
    o.num_threads = threads;
    canal::Pretrainer trainer(wide, o);
    for (int epoch = 0; epoch < 20; ++epoch) trainer.train(cells.view(), 1e-3, control);
    return trainer.weights();
  };
  EXPECT_TRUE(same(trained_on(1), trained_on(2)));
}

TEST(Pretrainer, a_step_of_several_mini_batches_is_the_mean_of_theirs) {
  // Equal numbers of chosen tokens in all cells: then the mean of means is the mean of all.
  Cells cells;
  const std::vector<uint8_t> ones(cells.tokens.view().length * 4, 1);
  const canal::TokenView view{ones.data(), 4, cells.tokens.view().length};
  auto after_a_step = [&](int64_t batch, int64_t accumulation) {
    canal::PretrainerOptions o = options();
    o.batch_size = batch;
    o.accumulation = accumulation;
    canal::Pretrainer trainer(cells.weights, o);
    trainer.train(view, 1e-3, cells.control);
    return trainer.weights();
  };
  const canal::Weights together = after_a_step(4, 1), apart = after_a_step(2, 2);
  for (const auto& [name, array] : together)
    EXPECT_LT(canal_test::largest_difference(*canal::find(apart, name), array), 1e-5) << name;
}

TEST(Pretrainer, a_clipped_gradient_makes_a_smaller_step_where_moments_remember_longer_ones) {
  // Adam forgets the length of the first step; clipping shows in the second.
  Cells cells;
  canal::PretrainerOptions o = options();
  const canal::Weights free = trained(cells, o, 1);
  o.clip_norm = 1e-3;
  EXPECT_FALSE(same(trained(cells, o, 1), free));
  o.clip_norm = 1e6;
  EXPECT_TRUE(same(trained(cells, o, 1), free));
}

TEST(Pretrainer, refuses_what_it_cannot_train) {
  Cells cells;
  canal::PretrainerOptions o = options();
  EXPECT_THROW(canal::Pretrainer(golden_weights("canal_stage1.pth"), o), canal::Error);
  o.masked_share = 1.1;
  EXPECT_THROW(canal::Pretrainer(cells.weights, o), canal::Error);
  o = options();
  o.token_weights = {1, 1};
  EXPECT_THROW(canal::Pretrainer(cells.weights, o), canal::Error);
  o = options();
  o.accumulation = 0;
  EXPECT_THROW(canal::Pretrainer(cells.weights, o), canal::Error);
  // The mask token is no token of a cell.
  const std::vector<uint8_t> masks(cells.tokens.view().length, 6);
  canal::Pretrainer trainer(cells.weights, options());
  EXPECT_THROW(trainer.train({masks.data(), 1, cells.tokens.view().length}, 1e-3, cells.control),
               canal::Error);
}

TEST(Pretrainer, cells_without_an_expressed_gene_are_passed_over) {
  Cells cells;
  const std::vector<uint8_t> silent(cells.tokens.view().length, 0);
  canal::Pretrainer trainer(cells.weights, options());
  const canal::MaskedSums sums =
      trainer.train({silent.data(), 1, cells.tokens.view().length}, 1e-3, cells.control);
  EXPECT_EQ(sums.chosen, 0);
  for (const auto& [name, array] : trainer.weights())
    for (const float value : array.values) ASSERT_TRUE(std::isfinite(value)) << name;
}

}  // namespace
