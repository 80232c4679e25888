// Shares of attention against the recorded ones and against maps of N x N.
#include "engine/importance.h"

#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "compare.h"
#include "engine/nn/batch.h"
#include "engine/nn/encoder.h"
#include "engine/nn/operators.h"
#include "golden.h"

namespace {

using canal::AttentionMap;
using canal::AttentionReader;
using canal_test::floats;
using canal_test::golden;
using canal_test::golden_weights;
using canal_test::GoldenTokens;
using canal_test::largest_difference;

canal::FloatArray shares_of(const canal::Weights& weights, const canal::TokenView& tokens,
                            AttentionMap map = AttentionMap::published, int num_threads = 2) {
  canal::Control control;
  const auto shares = AttentionReader(weights, "cpu").shares(tokens, map, num_threads, control);
  EXPECT_EQ(control.done.load(), tokens.cells);
  return shares;
}

TEST(Importance, recorded_shares) {
  for (const char* file : {"pretrained.pth", "pretrained_legacy.pth"}) {
    const auto got = shares_of(golden_weights(file), GoldenTokens("tokens").view());
    EXPECT_LT(largest_difference(got, floats(golden("attention_gene_share"))), 1e-6) << file;
  }
}

// One head's map in float64, entry by entry of METHODS section 2. q, k: N x E; top: max of P c k
// over all heads. Returns N x N.
std::vector<std::vector<double>> naive_map(const at::Tensor& q, const at::Tensor& k,
                                           const at::Tensor& projection, double top) {
  const int64_t tokens = q.size(0), features = projection.size(0), width = projection.size(1);
  const double c = std::pow(static_cast<double>(width), -0.25);
  auto phi = [&](const at::Tensor& x, int64_t n, bool own_top) {
    std::vector<double> values(features);
    double half = 0, own = -INFINITY;
    for (int64_t e = 0; e < width; ++e) half += std::pow(x[n][e].item<double>() * c, 2) / 2;
    for (int64_t m = 0; m < features; ++m) {
      for (int64_t e = 0; e < width; ++e)
        values[m] += projection[m][e].item<double>() * c * x[n][e].item<double>();
      own = std::max(own, values[m]);
    }
    for (double& value : values) value = std::exp(value - half - (own_top ? own : top)) + 1e-4;
    return values;
  };
  std::vector<std::vector<double>> queries, keys, map(tokens, std::vector<double>(tokens));
  for (int64_t n = 0; n < tokens; ++n) queries.push_back(phi(q, n, true));
  for (int64_t n = 0; n < tokens; ++n) keys.push_back(phi(k, n, false));
  for (int64_t n = 0; n < tokens; ++n) {
    double norm = 0;
    for (int64_t j = 0; j < tokens; ++j) {
      for (int64_t m = 0; m < features; ++m) map[n][j] += queries[n][m] * keys[j][m];
      norm += map[n][j];
    }
    for (double& value : map[n]) value = std::abs(value / norm);
  }
  return map;
}

// Mean over layers, heads and rows of the whole maps of one cell.
std::vector<double> naive_share(const canal::Weights& weights, const canal::TokenView& tokens,
                                int64_t cell, AttentionMap map) {
  const c10::NoGradGuard no_grad;
  const auto sizes = canal::sizes_of(weights);
  const auto p = canal::to_parameters(weights, sizes, "cpu");
  const canal::Control control;
  const canal::Pass pass{canal::Stabiliser::cell, &control};
  at::Tensor x =
      canal::embed_tokens(p, canal::token_batch(tokens, {cell}, sizes.positions, sizes.tokens));
  std::vector<double> share(sizes.positions);
  for (const auto& layer : p.layers) {
    const at::Tensor seen = map == AttentionMap::used ? x : canal::attend_layer(layer, x, pass);
    const at::Tensor normed =
        at::layer_norm(seen[0], {sizes.dim}, layer.norm1_weight, layer.norm1_bias, 1e-5);
    const at::Tensor q = at::linear(normed, layer.to_q).view({-1, sizes.heads, sizes.head_width});
    const at::Tensor k = at::linear(normed, layer.to_k).view({-1, sizes.heads, sizes.head_width});
    const double c = std::pow(static_cast<double>(sizes.head_width), -0.25);
    const double top = at::matmul(k, layer.projection.t()).max().item<double>() * c;
    for (int64_t h = 0; h < sizes.heads; ++h)
      for (const auto& row : naive_map(q.select(1, h), k.select(1, h), layer.projection, top))
        for (int64_t j = 0; j < sizes.positions; ++j)
          share[j] += row[j] / static_cast<double>(sizes.positions * sizes.heads * sizes.depth);
    x = canal::run_layer(layer, x, pass);
  }
  return share;
}

// Queries and keys far larger than drawn ones, so that shares are anything but equal.
canal::Weights sharp_weights() {
  canal::Weights weights =
      canal::initial_weights({7, 13, 8, 3, 2, 4, 9, 16, 0, 0, 0, true}, {1, 1, 5});
  for (auto& [name, array] : weights)
    if (name.find(".to_q.") != std::string::npos || name.find(".to_k.") != std::string::npos)
      for (float& value : array.values) value *= 6;
  return weights;
}

class ImportanceMap : public ::testing::TestWithParam<AttentionMap> {};

TEST_P(ImportanceMap, shares_are_column_means_of_whole_maps) {
  const canal::Weights weights = sharp_weights();
  std::vector<uint8_t> bytes(12 * 4);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>((i * i + i / 12) % 6);
  const canal::TokenView tokens{bytes.data(), 4, 12};
  const AttentionMap map = GetParam();
  const auto got = shares_of(weights, tokens, map);
  double smallest = 1, largest = 0;
  for (int64_t cell = 0; cell < 4; ++cell) {
    const std::vector<double> expected = naive_share(weights, tokens, cell, map);
    double sum = 0;
    for (int64_t j = 0; j < 13; ++j) {
      const double value = got.values[cell * 13 + j];
      EXPECT_NEAR(value, expected[j], 1e-5 * expected[j]) << cell << " " << j;
      sum += value;
      smallest = std::min(smallest, value);
      largest = std::max(largest, value);
    }
    EXPECT_NEAR(sum, 1, 1e-6);
  }
  EXPECT_GT(largest, 2 * smallest);
}

INSTANTIATE_TEST_SUITE_P(Maps, ImportanceMap,
                         ::testing::Values(AttentionMap::published, AttentionMap::used),
                         [](const auto& info) {
                           return info.param == AttentionMap::used ? "used" : "published";
                         });

TEST(Importance, a_cell_does_not_depend_on_its_batch_nor_on_threads) {
  const canal::Weights weights = golden_weights("pretrained.pth");
  const GoldenTokens tokens("tokens");
  const auto together = shares_of(weights, tokens.view());
  EXPECT_EQ(together.values, shares_of(weights, tokens.view(), AttentionMap::published, 1).values);
  const int64_t length = tokens.shape[1];
  for (int64_t cell = 0; cell < tokens.shape[0]; ++cell) {
    const canal::TokenView one{tokens.bytes.data() + cell * length, 1, length};
    const auto alone = shares_of(weights, one);
    EXPECT_TRUE(std::equal(alone.values.begin(), alone.values.end(),
                           together.values.begin() + cell * length))
        << cell;
  }
}

TEST(Importance, no_cells_wrong_tokens_and_cancelling) {
  const AttentionReader reader(golden_weights("canal_stage1.pth"), "cpu");
  const GoldenTokens tokens("stage1/tokens");
  canal::Control control;
  const auto none =
      reader.shares({tokens.bytes.data(), 0, tokens.shape[1]}, AttentionMap::used, 1, control);
  EXPECT_EQ(none.shape, (std::vector<int64_t>{0, tokens.shape[1]}));
  EXPECT_THROW(reader.shares(GoldenTokens("tokens").view(), AttentionMap::used, 1, control),
               canal::Error);
  control.cancel = true;
  EXPECT_THROW(reader.shares(tokens.view(), AttentionMap::used, 1, control), canal::Cancelled);
}

}  // namespace
