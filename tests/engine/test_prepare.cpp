// The preparation against a naive, dense version on random counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "engine/prepare.h"

namespace {

using Indices = std::vector<int64_t>;
using Dense = std::vector<std::vector<double>>;  // cells x genes

struct SparseCounts {
  std::vector<int32_t> starts{0};
  std::vector<int32_t> gene;
  std::vector<double> value;
  int64_t genes;

  canal::SparseCells view() const {
    return {static_cast<int64_t>(starts.size()) - 1, genes, starts.data(), gene.data(),
            value.data()};
  }
};

SparseCounts sparse(const Dense& dense) {
  SparseCounts result;
  result.genes = dense.front().size();
  for (const auto& cell : dense) {
    for (size_t gene = 0; gene < cell.size(); ++gene) {
      if (cell[gene] == 0) continue;
      result.gene.push_back(gene);
      result.value.push_back(cell[gene]);
    }
    result.starts.push_back(result.gene.size());
  }
  return result;
}

Dense random_counts(int cells, int genes, unsigned seed) {
  std::mt19937 random(seed);
  std::exponential_distribution<double> level(0.3);
  std::vector<double> levels(genes);
  for (double& value : levels) value = level(random);
  Dense counts(cells, std::vector<double>(genes));
  for (auto& cell : counts) {
    for (int gene = 0; gene < genes; ++gene) {
      cell[gene] = std::poisson_distribution<int>(levels[gene])(random);
    }
  }
  return counts;
}

// Every third input gene is unknown to the vocabulary, which also has genes never measured.
canal::Alignment mixed_alignment(int64_t genes, unsigned seed) {
  Indices places(genes);
  std::iota(places.begin(), places.end(), 0);
  std::shuffle(places.begin(), places.end(), std::mt19937(seed));
  for (int64_t gene = 0; gene < genes; gene += 3) places[gene] = -1;
  return {places, genes + 2};
}

// Scaled counts, cells x vocabulary.
Dense naive_scaled(const Dense& counts, const canal::Alignment& alignment, double target_sum) {
  Dense result;
  for (const auto& cell : counts) {
    std::vector<double> row(alignment.vocabulary_size, 0.0);
    for (size_t gene = 0; gene < cell.size(); ++gene) {
      if (alignment.place[gene] >= 0) row[alignment.place[gene]] = cell[gene];
    }
    const double total = std::accumulate(row.begin(), row.end(), 0.0);
    for (double& value : row) value = total > 0 ? value * target_sum / total : 0;
    result.push_back(row);
  }
  return result;
}

// Bits, as NaN is not equal to itself.
std::vector<uint64_t> bits_of(const std::vector<double>& values) {
  std::vector<uint64_t> bits(values.size());
  std::memcpy(bits.data(), values.data(), values.size() * sizeof(double));
  return bits;
}

Indices all_of(int64_t size) {
  Indices result(size);
  std::iota(result.begin(), result.end(), 0);
  return result;
}

TEST(Prepare, DetectedGenesCountAlignedGenesAboveZero) {
  canal::Control control;
  const Dense counts = random_counts(20, 30, 1);
  const auto alignment = mixed_alignment(30, 2);
  const SparseCounts input = sparse(counts);
  const auto detected = canal::detected_genes(input.view(), alignment, 2, control);
  ASSERT_EQ(detected.size(), 20u);
  const Dense scaled = naive_scaled(counts, alignment, 1);
  for (int cell = 0; cell < 20; ++cell) {
    const auto zeros = std::count(scaled[cell].begin(), scaled[cell].end(), 0.0);
    EXPECT_EQ(detected[cell], alignment.vocabulary_size - zeros);
  }
  EXPECT_EQ(control.done.load(), 20);
}

TEST(Prepare, StoredZerosAreNotDetected) {
  canal::Control control;
  SparseCounts input = sparse({{1, 2, 3}});
  input.value[1] = 0;
  EXPECT_EQ(canal::detected_genes(input.view(), {{0, 1, 2}, 3}, 2, control), Indices{2});
}

TEST(Prepare, NormalisedAndTokensEqualTheNaiveVersion) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    canal::Control control;
    const Dense counts = random_counts(15, 40, seed);
    const auto alignment = mixed_alignment(40, seed);
    const SparseCounts input = sparse(counts);
    const Dense scaled = naive_scaled(counts, alignment, 300);
    const Indices kept{14, 3, 0, 7};
    const Indices chosen{5, 41, 0, 22, 17};
    const auto values = canal::normalised(input.view(), alignment, kept, 300);
    std::vector<uint8_t> tokens(kept.size() * chosen.size(), 99);
    canal::tokens(input.view(), alignment, kept, chosen, {300, 4}, tokens.data(), 2, control);
    for (size_t row = 0; row < kept.size(); ++row) {
      for (int64_t gene = 0; gene < alignment.vocabulary_size; ++gene) {
        const float expected = std::log2(1 + scaled[kept[row]][gene]);
        EXPECT_EQ(values[row * alignment.vocabulary_size + gene], expected);
      }
      for (size_t column = 0; column < chosen.size(); ++column) {
        const float value = std::log2(1 + scaled[kept[row]][chosen[column]]);
        EXPECT_EQ(tokens[row * chosen.size() + column], std::min(std::floor(value), 4.0f));
      }
    }
  }
}

TEST(Prepare, MeansAndDispersionsEqualTheNaiveVersion) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    canal::Control control;
    const Dense counts = random_counts(25, 60, seed);
    const auto alignment = mixed_alignment(60, seed);
    const SparseCounts input = sparse(counts);
    const Indices kept{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24};
    const Dense scaled = naive_scaled(counts, alignment, 1e4);
    const auto statistics = canal::gene_statistics(input.view(), alignment, kept, 1e4, 2, control);
    for (int64_t gene = 0; gene < alignment.vocabulary_size; ++gene) {
      double mean = 0;
      for (const int64_t cell : kept) mean += scaled[cell][gene] / kept.size();
      double variance = 0;
      for (const int64_t cell : kept) {
        variance += std::pow(scaled[cell][gene] - mean, 2) / (kept.size() - 1);
      }
      EXPECT_NEAR(statistics.mean[gene], std::log1p(mean == 0 ? 1e-12 : mean), 1e-9);
      if (variance == 0) {
        EXPECT_TRUE(std::isnan(statistics.dispersion[gene]));
      } else {
        EXPECT_NEAR(statistics.dispersion[gene], std::log(variance / mean), 1e-9);
      }
    }
  }
}

TEST(Prepare, TheNumberOfThreadsChangesNoBit) {
  canal::Control control;
  const Dense counts = random_counts(700, 90, 3);
  const auto alignment = mixed_alignment(90, 4);
  const SparseCounts input = sparse(counts);
  Indices kept = all_of(700);
  std::shuffle(kept.begin(), kept.end(), std::mt19937(5));
  kept.resize(650);
  const auto results = [&](int threads) {
    std::vector<uint8_t> tokens(650 * 3, 99);
    canal::tokens(input.view(), alignment, kept, {5, 0, 60}, {1e4, 5}, tokens.data(), threads,
                  control);
    const auto statistics =
        canal::gene_statistics(input.view(), alignment, kept, 1e4, threads, control);
    return std::make_tuple(canal::detected_genes(input.view(), alignment, threads, control), tokens,
                           statistics.mean, bits_of(statistics.dispersion),
                           bits_of(statistics.dispersion_norm));
  };
  const auto alone = results(1);
  for (const int threads : {2, 3, 0}) EXPECT_EQ(results(threads), alone);
}

// The moments as running sums over the cells in their order, one gene after the other.
TEST(Prepare, MomentsAreAddedUpInTheOrderOfTheCells) {
  canal::Control control;
  const Dense counts = random_counts(60, 25, 8);
  const auto alignment = mixed_alignment(25, 9);
  const Indices kept = all_of(60);
  const Dense scaled = naive_scaled(counts, alignment, 1e4);
  const auto statistics =
      canal::gene_statistics(sparse(counts).view(), alignment, kept, 1e4, 2, control);
  for (int64_t gene = 0; gene < alignment.vocabulary_size; ++gene) {
    double mean = 0;
    double seen = 0;
    for (const int64_t cell : kept) {
      if (scaled[cell][gene] > 0) mean += (scaled[cell][gene] - mean) / ++seen;
    }
    mean *= seen / kept.size();
    EXPECT_EQ(statistics.mean[gene], std::log1p(mean == 0 ? 1e-12 : mean));
  }
}

TEST(Prepare, ValueFactsEqualTheNaiveVersion) {
  canal::Control control;
  std::mt19937 random(1);
  std::vector<double> values(1000000);
  for (double& value : values) value = static_cast<double>(random() % 1000);
  const auto facts = [&] { return canal::value_facts(values.data(), values.size(), 2, control); };
  EXPECT_TRUE(facts().whole);
  EXPECT_EQ(facts().smallest, 0);
  EXPECT_EQ(facts().largest, 999);
  EXPECT_EQ(facts().negative + facts().not_finite, 0);
  EXPECT_EQ(facts().first_negative, -1);
  EXPECT_EQ(facts().first_not_finite, -1);
  values[700001] = -3;
  EXPECT_TRUE(facts().negative_whole);
  values[300000] = -2.5;
  values[999999] = std::nan("");
  values[262144] = std::numeric_limits<double>::infinity();
  values[5] = 1e300;
  EXPECT_FALSE(facts().whole);
  EXPECT_FALSE(facts().negative_whole);
  EXPECT_EQ(facts().negative, 2);
  EXPECT_EQ(facts().first_negative, 300000);
  EXPECT_EQ(facts().not_finite, 2);
  EXPECT_EQ(facts().first_not_finite, 262144);
  EXPECT_EQ(facts().smallest, -3);
  EXPECT_EQ(facts().largest, 1e300);
  EXPECT_TRUE(canal::value_facts(values.data(), 0, 2, control).whole);
}

TEST(Prepare, TheFirstBadCellIsToldWhateverTheThreads) {
  Dense counts(2000, {1, 2});
  for (const int cell : {700, 1200, 1999}) counts[cell][1] = -1;
  const SparseCounts input = sparse(counts);
  for (const int threads : {1, 2, 7}) {
    canal::Control control;
    try {
      canal::detected_genes(input.view(), {{0, 1}, 2}, threads, control);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const canal::Error& error) {
      EXPECT_NE(std::string(error.what()).find("in cell 701, gene 2"), std::string::npos);
    }
  }
}

TEST(Prepare, GenesOutOfOrderAreRefused) {
  canal::Control control;
  SparseCounts input = sparse({{1, 2, 3}});
  std::swap(input.gene[0], input.gene[1]);
  EXPECT_THROW(canal::gene_statistics(input.view(), {{0, 1, 2}, 3}, {0}, 1, 1, control),
               canal::Error);
}

TEST(Prepare, DispersionsAreStandardisedWithinTheirBin) {
  canal::Control control;
  // Four cells of one total: two genes of small and close means share a bin, the filler is alone.
  const SparseCounts input = sparse({{2, 0, 98}, {0, 2, 98}, {4, 1, 95}, {2, 3, 95}});
  const auto statistics =
      canal::gene_statistics(input.view(), {{0, 1, 2}, 3}, all_of(4), 100, 2, control);
  const double low = statistics.dispersion[0];
  const double high = statistics.dispersion[1];
  const double spread = std::abs(high - low) / std::sqrt(2.0);
  EXPECT_NEAR(statistics.dispersion_norm[0], (low - (low + high) / 2) / spread, 1e-9);
  EXPECT_NEAR(statistics.dispersion_norm[1], (high - (low + high) / 2) / spread, 1e-9);
  EXPECT_EQ(statistics.dispersion_norm[2], 1);
}

TEST(Prepare, ConstantGenesHaveNoDispersion) {
  canal::Control control;
  const SparseCounts input = sparse({{0.1, 1, 8.9}, {0.1, 3, 6.9}, {0.1, 2, 7.9}});
  const auto statistics =
      canal::gene_statistics(input.view(), {{0, 1, 2}, 3}, all_of(3), 10, 2, control);
  EXPECT_TRUE(std::isnan(statistics.dispersion[0]));
  EXPECT_TRUE(std::isnan(statistics.dispersion_norm[0]));
  EXPECT_FALSE(std::isnan(statistics.dispersion[1]));
}

TEST(Prepare, VariableGenesComeInVocabularyOrderAndTiesByIt) {
  const double missing = std::numeric_limits<double>::quiet_NaN();
  canal::GeneStatistics statistics;
  statistics.dispersion_norm = {0.5, missing, 2, 2, -1, 2};
  EXPECT_EQ(canal::variable_genes(statistics, 2), (Indices{2, 3}));
  EXPECT_EQ(canal::variable_genes(statistics, 4), (Indices{0, 2, 3, 5}));
  EXPECT_EQ(canal::variable_genes(statistics, 50), (Indices{0, 2, 3, 4, 5}));
  EXPECT_THROW(canal::variable_genes(statistics, 0), canal::Error);
}

TEST(Prepare, ExactPowersOfTwoReachTheirBin) {
  canal::Control control;
  const SparseCounts input = sparse({{3, 9, 21, 45, 29922}});
  std::vector<uint8_t> tokens(5);
  canal::tokens(input.view(), {{0, 1, 2, 3, 4}, 5}, {0}, all_of(5), {1e4, 254}, tokens.data(), 2,
                control);
  EXPECT_EQ(tokens, (std::vector<uint8_t>{1, 2, 3, 4, 13}));
}

TEST(Prepare, ACellWithoutCountsIsAllZeros) {
  canal::Control control;
  const SparseCounts input = sparse({{0, 0, 5}, {1, 2, 3}});
  const canal::Alignment alignment{{0, 1, -1}, 2};
  std::vector<uint8_t> tokens(4, 99);
  canal::tokens(input.view(), alignment, {0, 1}, {0, 1}, {3, 5}, tokens.data(), 2, control);
  EXPECT_EQ(tokens, (std::vector<uint8_t>{0, 0, 1, 1}));
  EXPECT_EQ(canal::normalised(input.view(), alignment, {0}, 3), (std::vector<float>{0, 0}));
}

TEST(Prepare, UnusableInputIsRefused) {
  canal::Control control;
  const canal::Alignment alignment{{0, 1}, 2};
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double bad : {-1.0, infinite, std::nan("")}) {
    const SparseCounts input = sparse({{bad, 1}});
    EXPECT_THROW(canal::detected_genes(input.view(), alignment, 2, control), canal::Error);
  }
  const SparseCounts input = sparse({{1, 2}});
  EXPECT_THROW(canal::detected_genes(input.view(), {{0}, 2}, 2, control), canal::Error);
  EXPECT_THROW(canal::detected_genes(input.view(), {{0, 0}, 2}, 2, control), canal::Error);
  EXPECT_THROW(canal::detected_genes(input.view(), {{0, 2}, 2}, 2, control), canal::Error);
  EXPECT_THROW(canal::gene_statistics(input.view(), alignment, {}, 1, 2, control), canal::Error);
  EXPECT_THROW(canal::gene_statistics(input.view(), alignment, {1}, 1, 2, control), canal::Error);
  EXPECT_THROW(canal::gene_statistics(input.view(), alignment, {0}, 0, 2, control), canal::Error);
  uint8_t out[2];
  EXPECT_THROW(canal::tokens(input.view(), alignment, {0}, {0, 1}, {1, 255}, out, 2, control),
               canal::Error);
  EXPECT_THROW(canal::tokens(input.view(), alignment, {0}, {1, 1}, {1, 5}, out, 2, control),
               canal::Error);
}

TEST(Prepare, CanBeCancelled) {
  canal::Control control;
  control.cancel = true;
  const SparseCounts input = sparse({{1, 2}});
  const canal::Alignment alignment{{0, 1}, 2};
  uint8_t out[2];
  EXPECT_THROW(canal::detected_genes(input.view(), alignment, 2, control), canal::Cancelled);
  EXPECT_THROW(canal::gene_statistics(input.view(), alignment, {0}, 1, 2, control),
               canal::Cancelled);
  EXPECT_THROW(canal::value_facts(input.value.data(), 2, 2, control), canal::Cancelled);
  EXPECT_THROW(canal::tokens(input.view(), alignment, {0}, {0, 1}, {1, 5}, out, 2, control),
               canal::Cancelled);
}

}  // namespace
