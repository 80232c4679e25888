// The forward pass against the golden arrays.
#include "engine/network.h"

#include <gtest/gtest.h>

#include <cmath>

#include "compare.h"
#include "golden.h"

namespace {

using canal::Network;
using canal::Output;
using canal_test::floats;
using canal_test::golden;
using canal_test::golden_weights;
using canal_test::GoldenTokens;
using canal_test::largest_difference;

canal::FloatArray run(const Network& network, const canal::TokenView& tokens, Output output,
                      int num_threads = 2) {
  canal::Control control;
  return network.forward(tokens, {{output}, num_threads}, control)[0];
}

// Kernels and threads.
class GoldenForward : public ::testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  Network network(const std::string& checkpoint) const {
    return Network(golden_weights(checkpoint),
                   {"cpu", canal::Precision::automatic, std::get<0>(GetParam())});
  }
  int num_threads() const { return std::get<1>(GetParam()); }
  // bfloat16 has 8 bits of precision.
  double bound() const {
    try {
      canal::kernels_for({"cpu", canal::Precision::float32, std::get<0>(GetParam())});
      return 1e-4;
    } catch (const canal::Error&) {
      return 5e-2;
    }
  }
};

TEST_P(GoldenForward, pretrained_network) {
  const Network net = network("pretrained.pth");
  const GoldenTokens tokens("tokens");
  const auto encodings = run(net, tokens.view(), Output::encodings, num_threads());
  EXPECT_LT(largest_difference(encodings, floats(golden("encodings"))), bound());
  const auto mlm = run(net, tokens.view(), Output::mlm, num_threads());
  EXPECT_LT(largest_difference(mlm, floats(golden("mlm_logits"))), bound());
}

TEST_P(GoldenForward, classifier) {
  const Network net = network("canal_stage1.pth");
  const GoldenTokens tokens("stage1/tokens");
  const std::pair<Output, const char*> outputs[] = {{Output::manifold, "stage1/manifold"},
                                                    {Output::embedding, "stage1/embedding"},
                                                    {Output::logits, "stage1/logits"}};
  for (const auto& [output, place] : outputs) {
    const auto got = run(net, tokens.view(), output, num_threads());
    EXPECT_LT(largest_difference(got, floats(golden(place))), bound()) << place;
  }
}

INSTANTIATE_TEST_SUITE_P(KernelsAndThreads, GoldenForward,
                         ::testing::Combine(::testing::ValuesIn(canal::available_kernels()),
                                            ::testing::Values(1, 2)),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" +
                                  std::to_string(std::get<1>(info.param)) + "_threads";
                         });

TEST(Network, a_cell_does_not_depend_on_its_batch) {
  const Network network(golden_weights("pretrained.pth"), canal::Compute{});
  const GoldenTokens tokens("tokens");
  const auto together = run(network, tokens.view(), Output::encodings);
  const int64_t size = together.shape[1] * together.shape[2];
  for (int64_t cells : {1, 2, 5}) {
    for (int64_t first = 0; first + cells <= tokens.shape[0]; first += cells) {
      const canal::TokenView some{tokens.bytes.data() + first * tokens.shape[1], cells,
                                  tokens.shape[1]};
      const auto part = run(network, some, Output::encodings);
      EXPECT_TRUE(std::equal(part.values.begin(), part.values.end(),
                             together.values.begin() + first * size))
          << cells << " cells from " << first;
    }
  }
}

TEST(Network, threads_change_nothing) {
  const Network network(golden_weights("canal_stage1.pth"), canal::Compute{});
  const GoldenTokens tokens("stage1/tokens");
  EXPECT_EQ(run(network, tokens.view(), Output::logits, 1).values,
            run(network, tokens.view(), Output::logits, 2).values);
}

TEST(Network, the_closing_token_may_be_left_out) {
  const Network network(golden_weights("canal_stage1.pth"), canal::Compute{});
  const GoldenTokens tokens("stage1/tokens");
  std::vector<uint8_t> shorter;
  for (int64_t i = 0; i < tokens.shape[0]; ++i)
    shorter.insert(shorter.end(), tokens.bytes.begin() + i * tokens.shape[1],
                   tokens.bytes.begin() + (i + 1) * tokens.shape[1] - 1);
  const canal::TokenView view{shorter.data(), tokens.shape[0], tokens.shape[1] - 1};
  EXPECT_EQ(run(network, view, Output::logits).values,
            run(network, tokens.view(), Output::logits).values);
}

TEST(Network, refuses_what_it_cannot_do) {
  const Network network(golden_weights("pretrained.pth"), canal::Compute{});
  const GoldenTokens tokens("tokens");
  EXPECT_THROW(run(network, tokens.view(), Output::logits), canal::Error);
  const GoldenTokens other("stage1/tokens");
  EXPECT_THROW(run(network, other.view(), Output::encodings), canal::Error);
  std::vector<uint8_t> wrong = tokens.bytes;
  wrong[3] = 7;
  const canal::TokenView view{wrong.data(), tokens.shape[0], tokens.shape[1]};
  EXPECT_THROW(run(network, view, Output::encodings), canal::Error);
}

TEST(Network, stops_when_cancelled) {
  const Network network(golden_weights("pretrained.pth"), canal::Compute{});
  const GoldenTokens tokens("tokens");
  canal::Control control;
  control.cancel = true;
  EXPECT_THROW(network.forward(tokens.view(), {{Output::encodings}, 1}, control), canal::Cancelled);
}

TEST(Sizes, are_read_from_the_weights) {
  const canal::Tree root = golden("/");
  const auto sizes = canal::sizes_of(golden_weights("pretrained.pth"));
  EXPECT_EQ(sizes.dim, floats(*root.child("encodings")).shape[2]);
  EXPECT_EQ(sizes.positions, floats(*root.child("encodings")).shape[1]);
  EXPECT_EQ(sizes.tokens, floats(*root.child("mlm_logits")).shape[2]);
  EXPECT_TRUE(sizes.mlm_head);
  EXPECT_EQ(sizes.types, 0);
}

TEST(Sizes, contradicting_weights_are_refused) {
  canal::Weights weights = golden_weights("pretrained.pth");
  for (auto& [name, array] : weights) {
    if (name != "norm.bias") continue;
    array.shape = {array.shape[0] - 1};
    array.values.pop_back();
  }
  EXPECT_THROW(canal::sizes_of(weights), canal::Error);
  weights.pop_back();
  EXPECT_THROW(canal::sizes_of({}), canal::Error);
}

TEST(Surgery, an_untrained_network_has_its_sizes_and_a_seed_its_weights) {
  canal::NetworkSizes sizes{7, 12, 8, 3, 2, 4, 6, 32, 0, 0, 0, true};
  const auto one = canal::initial_weights(sizes, {1, 1, 5});
  EXPECT_EQ(canal::sizes_of(one).features, 6);
  EXPECT_EQ(one[0].second.values, canal::initial_weights(sizes, {1, 1, 5})[0].second.values);
  EXPECT_NE(one[0].second.values, canal::initial_weights(sizes, {1, 1, 6})[0].second.values);
  const auto& positions = canal::find(one, "pos_emb.emb.weight")->values;
  for (int64_t d = 0; d < sizes.dim; ++d) EXPECT_EQ(positions[11 * sizes.dim + d], 0);
}

TEST(Surgery, features_are_orthogonal_in_blocks) {
  canal::NetworkSizes sizes{7, 12, 8, 1, 2, 4, 6, 32, 0, 0, 0, true};
  const auto weights = canal::initial_weights(sizes, {1, 1, 5});
  const auto* p =
      canal::find(weights, "performer.net.layers.0.0.fn.fast_attention.projection_matrix");
  auto dot = [&](int64_t a, int64_t b) {
    double sum = 0;
    for (int64_t e = 0; e < 4; ++e) sum += p->values[a * 4 + e] * p->values[b * 4 + e];
    return sum;
  };
  for (int64_t a = 0; a < 4; ++a)
    for (int64_t b = 0; b < a; ++b) EXPECT_NEAR(dot(a, b), 0, 1e-5);
  EXPECT_GT(dot(0, 0), 0);
}

// What the head's filter makes of every token by itself, layer-normed: T numbers.
std::vector<double> read_tokens(const canal::Weights& weights) {
  const auto& table = *canal::find(weights, "token_emb.weight");
  const auto& filter = canal::find(weights, "to_out.conv1.weight")->values;
  const int64_t dim = table.shape[1];
  std::vector<double> readings;
  for (auto row = table.values.begin(); row != table.values.end(); row += dim) {
    double sum = 0, squares = 0, product = 0, filter_sum = 0;
    for (int64_t d = 0; d < dim; ++d) {
      sum += row[d];
      squares += row[d] * row[d];
      product += row[d] * filter[d];
      filter_sum += filter[d];
    }
    const double mean = sum / dim;
    readings.push_back((product - mean * filter_sum) / std::sqrt(squares / dim - mean * mean));
  }
  return readings;
}

canal::Weights untrained_with_head(uint64_t seed, int64_t dim, canal::HeadStart start) {
  canal::Weights weights =
      canal::initial_weights({7, 12, dim, 1, 2, 4, 6, 4 * dim, 0, 0, 0, true}, {2, 0.1, seed});
  canal::add_classification_head(weights, 5, 4, 3, start, seed);
  return weights;
}

TEST(Surgery, an_untrained_network_reads_expression_whatever_the_seed) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const auto weights = untrained_with_head(seed, 8, canal::HeadStart::expression);
    const std::vector<double> readings = read_tokens(weights);
    EXPECT_NEAR(readings[0], 0, 1e-5) << seed;
    for (int token = 1; token <= 5; ++token) EXPECT_GT(readings[token], readings[token - 1]);
    EXPECT_NEAR(readings[5], 1, 1e-5) << seed;
    for (const char* bias : {"to_out.conv1.bias", "to_out.fc1.bias", "to_out.fc2.bias"})
      for (float value : canal::find(weights, bias)->values) EXPECT_EQ(value, 0) << bias;
  }
}

TEST(Surgery, the_head_of_a_pretrained_network_starts_uniform) {
  const auto weights = untrained_with_head(3, 8, canal::HeadStart::uniform);
  for (float value : canal::find(weights, "to_out.conv1.weight")->values)
    EXPECT_LE(std::abs(value), 1 / std::sqrt(8.0f));
  for (float value : canal::find(weights, "to_out.fc1.bias")->values) EXPECT_NE(value, 0);
}

TEST(Surgery, a_network_too_narrow_for_ordered_tokens_is_drawn_all_the_same) {
  for (int64_t dim : {1, 2})
    for (const auto& [name, array] : untrained_with_head(3, dim, canal::HeadStart::expression))
      for (float value : array.values) EXPECT_TRUE(std::isfinite(value)) << name;
}

TEST(Surgery, growing_keeps_old_rows_and_cutting_keeps_chosen_positions) {
  canal::Weights grown = golden_weights("canal_stage1.pth");
  const canal::FloatArray before = *canal::find(grown, "to_out.fc3.weight");
  canal::grow_types(grown, before.shape[0] + 2, 3);
  const canal::FloatArray after = *canal::find(grown, "to_out.fc3.weight");
  EXPECT_EQ(after.shape[0], before.shape[0] + 2);
  EXPECT_TRUE(std::equal(before.values.begin(), before.values.end(), after.values.begin()));
  EXPECT_THROW(canal::grow_types(grown, 1, 3), canal::Error);

  canal::Weights cut = golden_weights("pretrained.pth");
  const canal::FloatArray table = *canal::find(cut, "pos_emb.emb.weight");
  canal::cut_positions(cut, {1, 4});
  const canal::FloatArray rows = *canal::find(cut, "pos_emb.emb.weight");
  ASSERT_EQ(rows.shape[0], 3);
  EXPECT_EQ(rows.values[0], table.values[1 * table.shape[1]]);
  EXPECT_EQ(rows.values[rows.shape[1]], table.values[4 * table.shape[1]]);
  EXPECT_EQ(rows.values[2 * rows.shape[1]], table.values[(table.shape[0] - 1) * table.shape[1]]);
  EXPECT_THROW(canal::cut_positions(cut, {2}), canal::Error);
}

// Rows join in front of the closing one, with columns of zeros in the head.
TEST(Surgery, genes_join_behind_those_there_are) {
  const canal::Weights before = golden_weights("canal_stage1.pth");
  const canal::FloatArray table = *canal::find(before, "pos_emb.emb.weight");
  const canal::FloatArray fc1 = *canal::find(before, "to_out.fc1.weight");
  const int64_t rows = table.shape[0], dim = table.shape[1], columns = fc1.shape[1];
  canal::FloatArray joining{{2, dim}, std::vector<float>(2 * dim)};
  for (size_t i = 0; i < joining.values.size(); ++i) joining.values[i] = static_cast<float>(i);

  canal::Weights after = before;
  canal::grow_positions(after, joining);
  const canal::FloatArray grown = *canal::find(after, "pos_emb.emb.weight");
  ASSERT_EQ(grown.shape, (std::vector<int64_t>{rows + 2, dim}));
  std::vector<float> expected(table.values.begin(), table.values.end() - dim);
  expected.insert(expected.end(), joining.values.begin(), joining.values.end());
  expected.insert(expected.end(), table.values.end() - dim, table.values.end());
  EXPECT_EQ(grown.values, expected);

  const canal::FloatArray wider = *canal::find(after, "to_out.fc1.weight");
  ASSERT_EQ(wider.shape, (std::vector<int64_t>{fc1.shape[0], columns + 2}));
  for (int64_t row = 0; row < fc1.shape[0]; ++row) {
    for (int64_t column = 0; column < columns + 2; ++column) {
      const bool added = column >= columns - 1 && column < columns + 1;
      const int64_t from = column < columns ? column : column - 2;
      EXPECT_EQ(wider.values[row * (columns + 2) + column],
                added ? 0 : fc1.values[row * columns + from]);
    }
  }
  EXPECT_EQ(Network(after, {}).sizes().positions, rows + 2);
  canal::FloatArray narrow{{1, dim - 1}, std::vector<float>(dim - 1)};
  EXPECT_THROW(canal::grow_positions(after, narrow), canal::Error);
}

TEST(Surgery, a_position_table_is_set_but_for_its_closing_row) {
  canal::Weights weights = golden_weights("pretrained.pth");
  const canal::FloatArray before = *canal::find(weights, "pos_emb.emb.weight");
  canal::FloatArray table{{before.shape[0] - 1, before.shape[1]}, {}};
  table.values.assign(before.values.size() - before.shape[1], 0.5f);
  canal::set_positions(weights, table);
  const std::vector<float> after = canal::find(weights, "pos_emb.emb.weight")->values;
  EXPECT_TRUE(std::equal(table.values.begin(), table.values.end(), after.begin()));
  EXPECT_TRUE(std::equal(after.end() - before.shape[1], after.end(),
                         before.values.end() - before.shape[1]));
  EXPECT_THROW(canal::set_positions(weights, before), canal::Error);
}

TEST(Forward, no_cells_give_outputs_of_no_rows) {
  const Network net(golden_weights("canal_stage1.pth"), {});
  const canal::NetworkSizes& s = net.sizes();
  const canal::TokenView none{nullptr, 0, s.positions};
  EXPECT_EQ(run(net, none, Output::encodings).shape, (std::vector<int64_t>{0, s.positions, s.dim}));
  EXPECT_EQ(run(net, none, Output::manifold).shape, (std::vector<int64_t>{0, s.fc1}));
  EXPECT_EQ(run(net, none, Output::embedding).shape, (std::vector<int64_t>{0, s.fc2}));
  EXPECT_EQ(run(net, none, Output::logits).shape, (std::vector<int64_t>{0, s.types}));
}

}  // namespace
