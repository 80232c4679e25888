// What is kept of the frozen layers: in memory, then in a file, and what happens where there is
// none.
#include "engine/train/frozen_cache.h"

#include <gtest/gtest.h>

#include <thread>

#include "engine/kernels/bfloat16.h"
#include "io_support.h"

namespace {

using canal::CacheOptions;
using canal::FrozenCache;
using io_test::TempFolder;

constexpr int64_t width = 5;  // numbers kept of a cell

struct Cell {
  explicit Cell(int id) : tokens{static_cast<uint8_t>(id), 2, 3} {
    for (int64_t i = 0; i < width; ++i)
      values.push_back(static_cast<float>(id) + 1.0f / static_cast<float>(2 * i + 3));
  }
  void put_in(FrozenCache& cache) const {
    cache.put(tokens.data(), static_cast<int64_t>(tokens.size()), values.data());
  }
  // Empty where nothing was kept.
  std::vector<float> from(const FrozenCache& cache) const {
    std::vector<float> kept(width);
    if (!cache.get(tokens.data(), static_cast<int64_t>(tokens.size()), kept.data())) kept.clear();
    return kept;
  }
  std::vector<uint8_t> tokens;
  std::vector<float> values;
};

CacheOptions cache_in(const std::string& folder, int64_t cells_in_memory) {
  CacheOptions options;
  options.enabled = true;
  options.memory = cells_in_memory * width * static_cast<int64_t>(sizeof(float));
  options.folder = folder;
  return options;
}

TEST(FrozenCache, WhatFitsIsInMemoryAndTheRestInAFileWithoutAName) {
  const TempFolder folder;
  FrozenCache cache(cache_in(folder.file(""), 2), width, false);
  EXPECT_TRUE(Cell(0).from(cache).empty());
  for (int id = 0; id < 6; ++id) Cell(id).put_in(cache);
  for (int id = 0; id < 6; ++id) EXPECT_EQ(Cell(id).from(cache), Cell(id).values) << id;
  EXPECT_TRUE(Cell(6).from(cache).empty());
  EXPECT_EQ(cache.problem(), "");
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(FrozenCache, CellsAreToldApartByAllOfTheirTokens) {
  FrozenCache cache(cache_in("", 10), width, false);
  Cell longer(1), same(1);
  longer.tokens.push_back(0);
  longer.values[0] = 70;
  same.values[0] = 80;
  Cell(1).put_in(cache);
  longer.put_in(cache);
  same.put_in(cache);  // these tokens are there already
  EXPECT_EQ(Cell(1).from(cache), Cell(1).values);
  EXPECT_EQ(longer.from(cache), longer.values);
}

TEST(FrozenCache, HalfTheSizeIsBfloat16) {
  const TempFolder folder;
  FrozenCache cache(cache_in(folder.file(""), 1), width, true);
  // Two of them are as large as one in float32.
  for (int id = 1; id < 5; ++id) Cell(id).put_in(cache);
  for (int id = 1; id < 5; ++id) {
    const Cell cell(id);
    const std::vector<float> kept = cell.from(cache);
    ASSERT_EQ(kept.size(), cell.values.size());
    for (size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(kept[i], canal::from_bfloat16(canal::to_bfloat16(cell.values[i])));
      EXPECT_NE(kept[i], cell.values[i]);
    }
  }
}

TEST(FrozenCache, ForgettingMakesRoomAgain) {
  const TempFolder folder;
  FrozenCache cache(cache_in(folder.file(""), 1), width, false);
  for (int id = 0; id < 3; ++id) Cell(id).put_in(cache);
  cache.clear();
  for (int id = 0; id < 3; ++id) EXPECT_TRUE(Cell(id).from(cache).empty()) << id;
  for (int id = 5; id > 2; --id) Cell(id).put_in(cache);
  for (int id = 5; id > 2; --id) EXPECT_EQ(Cell(id).from(cache), Cell(id).values) << id;
  EXPECT_EQ(cache.problem(), "");
}

TEST(FrozenCache, WithoutAPlaceForAFileTheRestIsComputedAnew) {
  FrozenCache cache(cache_in("/no/such/folder", 1), width, false);
  for (int id = 0; id < 3; ++id) Cell(id).put_in(cache);
  EXPECT_EQ(Cell(0).from(cache), Cell(0).values);
  EXPECT_TRUE(Cell(1).from(cache).empty());
  EXPECT_NE(cache.problem().find("/no/such/folder could not be made"), std::string::npos)
      << cache.problem();
}

TEST(FrozenCache, SwitchedOffItKeepsNothing) {
  FrozenCache cache({}, width, false);
  EXPECT_FALSE(cache.enabled());
  Cell(1).put_in(cache);
  EXPECT_TRUE(Cell(1).from(cache).empty());
}

TEST(FrozenCache, ThreadsPutAndGetAtOnce) {
  const TempFolder folder;
  FrozenCache cache(cache_in(folder.file(""), 20), width, false);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&cache, thread] {
      for (int i = 0; i < 100; ++i) Cell((i + 25 * thread) % 100).put_in(cache);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int id = 0; id < 100; ++id) EXPECT_EQ(Cell(id).from(cache), Cell(id).values) << id;
}

}  // namespace
