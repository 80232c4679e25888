// Stage training against the golden gradients, losses and weights.
#include "engine/trainer.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "compare.h"
#include "golden.h"
#include "slopes.h"
#include "small_network.h"

namespace {

using canal::StageTrainer;
using canal_test::floats;
using canal_test::golden;
using canal_test::golden_weights;
using canal_test::GoldenTokens;
using canal_test::largest_difference;
using canal_test::number;
using canal_test::relative_difference;

// The settings that the golden arrays were made with: all cells in one batch, in order, one key
// stabiliser for the batch, no redraw.
struct GoldenStage {
  GoldenStage() : root(golden("/stage2")), tokens("stage1/tokens") {
    const auto& labels = root.child("labels0")->int32;
    data = {tokens.view(), std::vector<int32_t>(labels.begin(), labels.end())};
    options.trainable = canal::Trainable::stage;
    options.label_smoothing = number(*root.attribute("label_smoothing"));
    options.distillation = number(*root.attribute("lambda_effective"));
    options.batch_size = tokens.shape[0];
    options.redraw_interval = 0;
    options.weight_decay = 0;
    options.dropped_tokens = 0;
    options.batch_stabiliser = true;
    options.learn_positions = false;
    options.seed = 1;
    options.num_threads = 2;
    options.compute.precision = canal::Precision::float32;
  }
  std::unique_ptr<StageTrainer> trainer() {
    const canal::Weights old = golden_weights("canal_stage1.pth");
    return std::make_unique<StageTrainer>(golden_weights("canal_stage2_start.pth"), &old, data,
                                          options, control);
  }
  double learning_rate() const { return number(*root.attribute("learning_rate")); }

  canal::Tree root;
  GoldenTokens tokens;
  canal::StageData data;
  canal::TrainerOptions options{};
  canal::Control control;
};

// All kernels in float32.
class GoldenTraining : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenTraining() { stage.options.compute.kernels = GetParam(); }
  GoldenStage stage;
};

std::vector<std::string> float32_kernels() {
  std::vector<std::string> names;
  for (const std::string& name : canal::available_kernels()) {
    try {
      canal::kernels_for({"cpu", canal::Precision::float32, name});
      names.push_back(name);
    } catch (const canal::Error&) {  // it computes in bfloat16
    }
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Kernels, GoldenTraining, ::testing::ValuesIn(float32_kernels()),
                         [](const auto& info) { return info.param; });

TEST_P(GoldenTraining, first_gradients) {
  const canal::Weights gradients = stage.trainer()->gradients();
  const auto& expected = stage.root.child("grad_step1")->children;
  EXPECT_EQ(gradients.size(), expected.size());
  for (const auto& [name, tree] : expected) {
    const canal::FloatArray* got = canal::find(gradients, name);
    ASSERT_NE(got, nullptr) << name;
    EXPECT_LT(relative_difference(*got, floats(tree)), 1e-3) << name;
  }
}

TEST_P(GoldenTraining, losses_weights_and_logits_of_the_first_steps) {
  auto trainer = stage.trainer();
  const canal::FloatArray expected = floats(*stage.root.child("losses_cls_distill_total"));
  for (int64_t step = 0; step < expected.shape[0]; ++step) {
    const canal::Losses losses = trainer->train_epoch(stage.learning_rate(), false, stage.control);
    const float* row = expected.values.data() + step * 3;
    EXPECT_NEAR(losses.classification, row[0], 1e-4) << step;
    EXPECT_NEAR(losses.distillation, row[1], 1e-4) << step;
    EXPECT_NEAR(losses.total, row[2], 1e-4) << step;
  }
  const canal::Weights weights = trainer->weights();
  for (const auto& [name, tree] : stage.root.child("weights_after_5_steps")->children)
    EXPECT_LT(largest_difference(*canal::find(weights, name), floats(tree)), 1e-4) << name;
  canal::Control control;
  const auto logits = canal::Network(weights, {"cpu", canal::Precision::float32, ""})
                          .forward(stage.tokens.view(), {{canal::Output::logits}, 2}, control)[0];
  EXPECT_LT(largest_difference(logits, floats(*stage.root.child("logits_after_5_steps"))), 1e-4);
}

// Products of bfloat16 numbers move the gradients by a few per cent, all layers' products being so:
// those of the frozen layers, too, where the cells' own stabilisers are used.
TEST(ReducedTraining, gradients_stay_near_those_of_float32) {
  if (canal::kernels_for({}) == canal::kernels_for({"cpu", canal::Precision::float32, ""}))
    GTEST_SKIP() << "this CPU does not multiply bfloat16 numbers";
  for (const bool batch_stabiliser : {true, false}) {
    GoldenStage stage;
    stage.options.batch_stabiliser = batch_stabiliser;
    const canal::Weights exact = stage.trainer()->gradients();
    stage.options.compute.precision = canal::Precision::automatic;
    for (const auto& [name, rounded] : stage.trainer()->gradients()) {
      const double apart = relative_difference(rounded, *canal::find(exact, name));
      EXPECT_LT(apart, 0.1) << name << " " << batch_stabiliser;
    }
  }
}

TEST(Trainer, frozen_parameters_stay_as_they_are) {
  GoldenStage stage;
  auto trainer = stage.trainer();
  trainer->train_epoch(1e-2, true, stage.control);
  const canal::Weights before = golden_weights("canal_stage2_start.pth");
  const canal::Weights after = trainer->weights();
  const auto& trained = stage.root.child("grad_step1")->children;
  for (const auto& [name, array] : before) {
    const bool learns = std::any_of(trained.begin(), trained.end(),
                                    [&, &name = name](const auto& t) { return t.first == name; });
    const bool changed = canal::find(after, name)->values != array.values;
    EXPECT_EQ(changed, learns) << name;
  }
}

TEST(Trainer, parts_of_a_batch_add_up_to_the_batch) {
  GoldenStage stage;
  stage.options.batch_stabiliser = false;
  stage.options.trainable = canal::Trainable::all;
  const canal::Weights whole = stage.trainer()->gradients();
  // Gradients of a mean are the mean of the cells' gradients.
  canal::Weights sum;
  const int64_t cells = stage.data.tokens.cells;
  const canal::StageData all = stage.data;
  for (int64_t i = 0; i < cells; ++i) {
    stage.data = {{all.tokens.data + i * all.tokens.length, 1, all.tokens.length}, {all.labels[i]}};
    const canal::Weights one = stage.trainer()->gradients();
    if (sum.empty()) {
      sum = one;
      continue;
    }
    for (size_t w = 0; w < one.size(); ++w)
      for (size_t j = 0; j < one[w].second.values.size(); ++j)
        sum[w].second.values[j] += one[w].second.values[j];
  }
  for (auto& [name, array] : sum) {
    for (float& value : array.values) value /= static_cast<float>(cells);
    EXPECT_LT(relative_difference(array, *canal::find(whole, name)), 1e-3) << name;
  }
}

// Training loss of the first epoch at the start weights.
double first_loss(GoldenStage& stage) {
  return stage.trainer()->train_epoch(0, false, stage.control).classification;
}

TEST(Trainer, dropped_tokens_change_what_is_trained_on_and_a_seed_repeats_them) {
  GoldenStage stage;
  stage.options.batch_stabiliser = false;
  const double whole = first_loss(stage);
  stage.options.dropped_tokens = 1;
  const double dropped = first_loss(stage);
  EXPECT_NE(dropped, whole);
  stage.options.num_threads = 1;
  EXPECT_EQ(first_loss(stage), dropped);
  stage.options.seed = 2;
  EXPECT_NE(first_loss(stage), dropped);
}

TEST(Trainer, dropped_tokens_become_0) {
  GoldenStage stage;
  stage.options.batch_stabiliser = false;
  const std::vector<uint8_t> silent(stage.data.tokens.cells * stage.data.tokens.length, 0);
  stage.data.tokens.data = silent.data();
  const double whole = first_loss(stage);
  stage.options.dropped_tokens = 1;
  EXPECT_EQ(first_loss(stage), whole);
}

TEST(Trainer, validation_sees_every_token) {
  GoldenStage stage;
  const double whole = stage.trainer()->validate(stage.data, stage.control).loss;
  stage.options.dropped_tokens = 1;
  EXPECT_EQ(stage.trainer()->validate(stage.data, stage.control).loss, whole);
}

TEST(Trainer, a_share_of_dropped_tokens_beyond_1_is_refused) {
  GoldenStage stage;
  stage.options.dropped_tokens = 1.5;
  EXPECT_THROW(stage.trainer(), canal::Error);
}

// Whether the frozen layers' output is kept, and where, changes no bit.
TEST(Trainer, what_is_kept_of_frozen_layers_is_what_they_compute) {
  const auto after_epochs = [](const canal::CacheOptions& cache) {
    GoldenStage stage;
    stage.options.batch_stabiliser = false;  // what a layer makes of a cell is the cell's own
    stage.options.cache = cache;
    auto trainer = stage.trainer();
    for (int epoch = 0; epoch < 2; ++epoch)
      trainer->train_epoch(stage.learning_rate(), false, stage.control);
    EXPECT_EQ(trainer->cache_problem(), "");
    return trainer->weights();
  };
  const canal::Weights computed = after_epochs({});
  const std::string folder = std::filesystem::temp_directory_path().string();
  for (const int64_t memory : {30000, 1 << 30}) {  // three of the twelve cells, and all of them
    const canal::Weights kept = after_epochs({true, memory, folder});
    ASSERT_EQ(kept.size(), computed.size());
    for (size_t i = 0; i < kept.size(); ++i)
      EXPECT_EQ(kept[i].second.values, computed[i].second.values) << kept[i].first;
  }
}

// ---- Gradients against finite differences -------------------------------------------------------

// Every parameter learns, if not told otherwise.
struct SmallStage {
  SmallStage() : options(GoldenStage().options) {
    options.trainable = canal::Trainable::all;
    options.learn_positions = true;
    options.batch_size = 3;
    options.batch_stabiliser = false;
    options.num_threads = 1;
  }

  // All but those whose names start so; features never learn.
  std::vector<std::string> all_but(const std::vector<std::string>& starts) const {
    std::vector<std::string> names = features;
    for (const auto& [name, array] : weights)
      if (std::none_of(starts.begin(), starts.end(), [&, &name = name](const std::string& start) {
            return name.compare(0, start.size(), start) == 0;
          }))
        names.push_back(name);
    return names;
  }

  // Of a step that moves nothing, with all cells in one batch.
  void expect_slopes(const std::vector<std::string>& frozen) const {
    canal::Control control;
    const auto trainer = [&](const canal::Weights& at) {
      return StageTrainer(at, &old, {cells.view(), {0, 2, 1}}, options, control);
    };
    canal_test::expect_slopes(
        weights, trainer(weights).gradients(),
        [&](const canal::Weights& at) { return trainer(at).train_epoch(0, false, control).total; },
        {frozen});
  }

  const canal::Weights weights = canal_test::small_network(false, 1);
  const canal::Weights old = canal_test::small_network(false, 2);
  const std::vector<std::string> features = canal_test::names_ending(weights, "projection_matrix");
  const canal_test::SmallCells cells{3};
  canal::TrainerOptions options;
};

// Cross-entropy alone, smoothed, distillation far above it, all as in a stage.
TEST(Trainer, gradients_of_every_loss_agree_with_finite_differences) {
  struct Case {
    double label_smoothing, distillation;
  };
  SmallStage stage;
  for (const Case& c : {Case{0, 0}, Case{0.3, 0}, Case{0, 30}, Case{0.1, 0.1}}) {
    SCOPED_TRACE(testing::Message()
                 << "smoothing " << c.label_smoothing << ", distillation " << c.distillation);
    stage.options.label_smoothing = c.label_smoothing;
    stage.options.distillation = c.distillation;
    stage.expect_slopes(stage.features);
  }
}

// Behind layers that do not learn, and with one that does not learn on the way back.
TEST(Trainer, gradients_of_a_stage_agree_with_finite_differences) {
  SmallStage stage;
  stage.options.trainable = canal::Trainable::stage;
  stage.expect_slopes(stage.all_but({"performer.net.layers.1.", "norm.", "to_out."}));
  stage.options.trainable = canal::Trainable::head;
  stage.expect_slopes(stage.all_but({"to_out."}));
}

class SmallTraining : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Kernels, SmallTraining, ::testing::ValuesIn(float32_kernels()),
                         [](const auto& info) { return info.param; });

// With the cells' own stabilisers and the batch's.
TEST_P(SmallTraining, gradients_agree_with_finite_differences) {
  SmallStage stage;
  stage.options.compute.kernels = GetParam();
  stage.options.label_smoothing = stage.options.distillation = 0.1;
  for (const bool batch_stabiliser : {false, true}) {
    SCOPED_TRACE(batch_stabiliser);
    stage.options.batch_stabiliser = batch_stabiliser;
    stage.expect_slopes(stage.features);
  }
}

TEST(Trainer, redraws_the_features_when_due) {
  GoldenStage stage;
  stage.options.redraw_interval = 2;
  auto trainer = stage.trainer();
  const std::string name = "performer.net.layers.0.0.fn.fast_attention.projection_matrix";
  const canal::Weights start = golden_weights("canal_stage2_start.pth");
  auto redrawn = [&] {
    return canal::find(trainer->weights(), name)->values != canal::find(start, name)->values;
  };
  trainer->train_epoch(1e-5, true, stage.control);
  trainer->train_epoch(1e-5, true, stage.control);
  EXPECT_FALSE(redrawn());
  trainer->train_epoch(1e-5, true, stage.control);
  EXPECT_TRUE(redrawn());
}

TEST(Trainer, a_seed_decides_everything) {
  GoldenStage stage;
  stage.options.batch_size = 5;
  stage.options.batch_stabiliser = false;
  auto losses = [&](uint64_t seed) {
    stage.options.seed = seed;
    auto trainer = stage.trainer();
    trainer->train_epoch(1e-3, true, stage.control);
    return trainer->weights().back().second.values;
  };
  EXPECT_EQ(losses(1), losses(1));
  EXPECT_NE(losses(1), losses(2));
}

TEST(Trainer, keeps_the_best_and_stops_when_cancelled) {
  GoldenStage stage;
  auto trainer = stage.trainer();
  trainer->train_epoch(1e-3, true, stage.control);
  trainer->keep_best();
  const auto kept = trainer->weights().back().second.values;
  trainer->train_epoch(1e-3, true, stage.control);
  EXPECT_NE(trainer->weights().back().second.values, kept);
  EXPECT_EQ(trainer->best_weights().back().second.values, kept);
  stage.control.cancel = true;
  EXPECT_THROW(trainer->train_epoch(1e-3, true, stage.control), canal::Cancelled);
  EXPECT_EQ(trainer->best_weights().back().second.values, kept);
}

TEST(Trainer, validates_by_accuracy_and_loss) {
  GoldenStage stage;
  auto trainer = stage.trainer();
  const canal::Validation validation = trainer->validate(stage.data, stage.control);
  EXPECT_EQ(validation.predicted.size(), stage.data.labels.size());
  EXPECT_NEAR(validation.loss, floats(*stage.root.child("losses_cls_distill_total")).values[0],
              0.05);
  canal::StageData wrong = stage.data;
  wrong.labels[0] = 99;
  EXPECT_THROW(trainer->validate(wrong, stage.control), canal::Error);
}

}  // namespace
