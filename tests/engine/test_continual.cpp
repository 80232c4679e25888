// The example bank against a naive one, and the novelty score against the golden arrays.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "compare.h"
#include "engine/bank.h"
#include "engine/novelty.h"
#include "golden.h"

namespace {

using canal_test::floats;
using canal_test::golden;
using canal_test::largest_difference;

canal::FloatArray random_array(int64_t rows, int64_t columns, std::mt19937& random) {
  canal::FloatArray array{{rows, columns}, std::vector<float>(rows * columns)};
  std::normal_distribution<float> normal;
  for (float& value : array.values) value = normal(random);
  return array;
}

TEST(Bank, ranks_count_the_cells_nearer_to_their_own_prototype) {
  std::mt19937 random(1);
  const auto embedding = random_array(40, 6, random), prototypes = random_array(3, 6, random);
  std::vector<int32_t> type(40);
  for (auto& t : type) t = static_cast<int32_t>(random() % 3);
  const auto rank = canal::prototype_ranks(embedding, prototypes, type);
  auto likeness = [&](int i) {
    double sum = 0;
    for (int j = 0; j < 6; ++j)
      sum += static_cast<double>(embedding.values[i * 6 + j]) * prototypes.values[type[i] * 6 + j];
    return sum;
  };
  for (int i = 0; i < 40; ++i) {
    int nearer = 0;
    for (int j = 0; j < 40; ++j) nearer += type[j] == type[i] && likeness(j) > likeness(i);
    EXPECT_EQ(rank[i], nearer + 1);
  }
}

TEST(Bank, trimming_keeps_exactly_the_quota_best_rank_and_oldest_stage_first) {
  std::mt19937 random(2);
  for (int round = 0; round < 50; ++round) {
    std::vector<canal::BankEntry> entries;
    std::map<int32_t, int64_t> per_type;
    for (int i = 0; i < 60; ++i) {
      entries.push_back({static_cast<int32_t>(random() % 4), static_cast<int32_t>(1 + random() % 9),
                         static_cast<int32_t>(1 + random() % 3)});
      ++per_type[entries.back().type];
    }
    const int64_t size = 4 * (random() % 20), quota = size / 4;
    const auto kept = canal::trim_bank(entries, size, 4);
    std::map<int32_t, int64_t> kept_per_type;
    for (int64_t i : kept) ++kept_per_type[entries[i].type];
    for (const auto& [type, count] : per_type)
      EXPECT_EQ(kept_per_type[type], std::min(count, quota));
    for (int64_t i : kept)
      for (size_t j = 0; j < entries.size(); ++j) {
        const bool stays = std::find(kept.begin(), kept.end(), j) != kept.end();
        if (stays || entries[j].type != entries[i].type) continue;
        EXPECT_LE(std::make_pair(entries[i].rank, entries[i].stage),
                  std::make_pair(entries[j].rank, entries[j].stage));
      }
  }
}

TEST(Bank, refuses_types_without_a_prototype) {
  std::mt19937 random(3);
  EXPECT_THROW(
      canal::prototype_ranks(random_array(2, 3, random), random_array(2, 3, random), {0, 2}),
      canal::Error);
  EXPECT_THROW(
      canal::prototype_ranks(random_array(2, 3, random), random_array(2, 4, random), {0, 1}),
      canal::Error);
  EXPECT_THROW(canal::trim_bank({}, 10, 0), canal::Error);
}

struct GoldenNovelty {
  GoldenNovelty()
      : root(golden("/novelty")),
        network(canal_test::golden_weights("canal_stage1.pth"), canal::Compute{}) {
    const auto& partner = root.child("partner0")->int32;
    draws = {std::vector<int32_t>(partner.begin(), partner.end()),
             floats(*root.child("mix_weight"))};
  }
  canal::Novelty score() const {
    return canal::novelty(network, floats(golden("stage1/logits")),
                          floats(golden("stage1/manifold")), draws,
                          root.attribute("temperature")->float64.at(0));
  }
  canal::Tree root;
  canal::Network network;
  canal::MixingDraws draws;
};

void expect_close(const std::vector<double>& got, const canal::Tree& expected) {
  const canal::FloatArray array{expected.shape, std::vector<float>(got.begin(), got.end())};
  EXPECT_LT(largest_difference(array, floats(expected)), 1e-4);
}

TEST(Novelty, every_quantity_from_the_recorded_draws) {
  const GoldenNovelty golden_novelty;
  const canal::Tree& root = golden_novelty.root;
  const canal::Novelty novelty = golden_novelty.score();
  expect_close(novelty.energy, *root.child("energy"));
  expect_close(novelty.confidence, *root.child("confidence"));
  expect_close(novelty.score, *root.child("score"));
  expect_close(novelty.energy_mixed, *root.child("energy_mixed"));
  expect_close(novelty.confidence_mixed, *root.child("confidence_mixed"));
  EXPECT_LT(largest_difference(novelty.mixed_logits, floats(*root.child("mixed_logits"))), 1e-4);
  EXPECT_NEAR(novelty.threshold, root.attribute("threshold")->float64.at(0), 1e-4);
}

TEST(Novelty, one_cell_and_equal_cells_have_a_score) {
  const GoldenNovelty g;
  const auto manifold = floats(golden("stage1/manifold"));
  const auto logits = floats(golden("stage1/logits"));
  const int64_t width = manifold.shape[1], types = logits.shape[1];
  const canal::FloatArray one_manifold{{1, width},
                                       {manifold.values.begin(), manifold.values.begin() + width}};
  const canal::FloatArray one_logits{{1, types},
                                     {logits.values.begin(), logits.values.begin() + types}};
  const auto novelty =
      canal::novelty(g.network, one_logits, one_manifold, canal::draw_mixing(1, width, 1), 0.8);
  EXPECT_EQ(novelty.energy_scaled[0], 0.5);
  EXPECT_TRUE(std::isfinite(novelty.threshold));
  EXPECT_DOUBLE_EQ(novelty.score[0], (1.5 - novelty.confidence[0]) / 2);
}

TEST(Novelty, draws_are_seeded_and_in_range) {
  const auto a = canal::draw_mixing(30, 8, 4), b = canal::draw_mixing(30, 8, 4);
  EXPECT_EQ(a.partner, b.partner);
  EXPECT_EQ(a.weight.values, b.weight.values);
  EXPECT_NE(a.weight.values, canal::draw_mixing(30, 8, 5).weight.values);
  for (int32_t partner : a.partner) EXPECT_TRUE(partner >= 0 && partner < 30);
  for (float weight : a.weight.values) EXPECT_TRUE(weight >= 0 && weight < 1);
}

TEST(Novelty, refuses_draws_that_do_not_fit) {
  GoldenNovelty g;
  g.draws.partner[0] = 1000;
  EXPECT_THROW(g.score(), canal::Error);
  g.draws.partner.pop_back();
  EXPECT_THROW(g.score(), canal::Error);
}

}  // namespace
