// The `cell_ranger` flavour against a naive, dense version on random counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "engine/prepare.h"

namespace {

struct Counts {
  Counts(int cells, int genes_, unsigned seed) : genes(genes_), dense(cells) {
    std::mt19937 random(seed);
    std::exponential_distribution<double> level(0.5);
    std::vector<double> levels(genes);
    for (double& one : levels) one = level(random);
    levels[3] = 0;  // a gene that no cell has
    for (auto& cell : dense) {
      for (int gene = 0; gene < genes; ++gene) {
        const double count = std::poisson_distribution<int>(levels[gene])(random);
        cell.push_back(count);
        total += count;
        if (count == 0) continue;
        column.push_back(gene);
        value.push_back(count);
      }
      starts.push_back(static_cast<int32_t>(value.size()));
    }
  }
  canal::SparseCells view() const {
    return {static_cast<int64_t>(dense.size()), genes, starts.data(), column.data(), value.data()};
  }
  double mean_size() const { return total / static_cast<double>(dense.size()); }

  int64_t genes;
  std::vector<std::vector<double>> dense;
  std::vector<int32_t> starts{0}, column;
  std::vector<double> value;
  double total = 0;
};

canal::Alignment same_genes(int64_t genes) {
  std::vector<int64_t> place(genes);
  std::iota(place.begin(), place.end(), 0);
  return {place, genes};
}

std::vector<int64_t> all_of(int64_t count) { return same_genes(count).place; }

double naive_median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t n = values.size();
  return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

double naive_percentile(std::vector<double> values, double percent) {
  std::sort(values.begin(), values.end());
  const double place = percent / 100 * (values.size() - 1.0);
  const size_t below = static_cast<size_t>(std::floor(place));
  if (below + 1 == values.size()) return values[below];
  return values[below] + (values[below + 1] - values[below]) * (place - below);
}

struct NaiveStatistics {
  NaiveStatistics(const Counts& counts, double target) {
    const double cells = static_cast<double>(counts.dense.size());
    for (int64_t gene = 0; gene < counts.genes; ++gene) {
      std::vector<double> values;
      for (const auto& cell : counts.dense) {
        const double size = std::accumulate(cell.begin(), cell.end(), 0.0);
        const double scaled = cell[gene] * target / size;
        values.push_back(std::log(1 + scaled));
      }
      const double m = std::accumulate(values.begin(), values.end(), 0.0) / cells;
      double squares = 0;
      for (const double value : values) squares += (value - m) * (value - m);
      mean.push_back(m == 0 ? 1e-12 : m);
      dispersion.push_back(squares / (cells - 1) / mean.back());
    }
    for (int percent = 10; percent <= 100; percent += 5)
      edges.push_back(naive_percentile(mean, percent));
    for (int64_t gene = 0; gene < counts.genes; ++gene) {
      std::vector<double> alike, apart;
      for (int64_t other = 0; other < counts.genes; ++other)
        if (bin(mean[other]) == bin(mean[gene])) alike.push_back(dispersion[other]);
      const double centre = naive_median(alike);
      for (const double d : alike) apart.push_back(std::abs(d - centre));
      norm.push_back((dispersion[gene] - centre) / (naive_median(apart) / 0.6744897501960817));
    }
  }
  int bin(double value) const {
    return static_cast<int>(
        std::count_if(edges.begin(), edges.end(), [&](double edge) { return value > edge; }));
  }
  std::vector<double> mean, dispersion, edges, norm;
};

TEST(CellRanger, EqualsTheNaiveVersion) {
  const Counts counts(40, 230, 7);  // edges between values, not on them
  canal::Control control;
  const auto statistics =
      canal::gene_statistics(counts.view(), same_genes(230), all_of(40), counts.mean_size(), 2,
                             control, canal::Flavour::cell_ranger);
  const NaiveStatistics naive(counts, counts.mean_size());
  for (int64_t gene = 0; gene < 230; ++gene) {
    EXPECT_NEAR(statistics.mean[gene], naive.mean[gene], 1e-9);
    EXPECT_NEAR(statistics.dispersion[gene], naive.dispersion[gene], 1e-9);
    EXPECT_NEAR(statistics.dispersion_norm[gene], naive.norm[gene],
                1e-7 * (1 + std::abs(naive.norm[gene])));
  }
  EXPECT_EQ(statistics.mean[3], 1e-12);
  const auto chosen = canal::variable_genes(statistics, 20);
  std::vector<double> ranked = naive.norm;
  std::sort(ranked.rbegin(), ranked.rend());
  ASSERT_EQ(chosen.size(), 20u);
  for (const int64_t gene : chosen) EXPECT_GE(naive.norm[gene], ranked[19] - 1e-9);
}

TEST(CellRanger, TheNumberOfThreadsChangesNoBit) {
  const Counts counts(300, 90, 8);
  const auto with = [&](int threads) {
    canal::Control control;
    return canal::gene_statistics(counts.view(), same_genes(90), all_of(300), 100, threads, control,
                                  canal::Flavour::cell_ranger)
        .dispersion_norm;
  };
  EXPECT_EQ(with(1), with(2));
}

// Genes of one mean that vary alike, but for one: their bin has no spread. What lies above is
// infinitely far above, and first; the others are missing, and never chosen.
TEST(CellRanger, ABinWithoutSpread) {
  canal::Control control;
  // Gene 0: 3, 0; genes 1 to 9: 1, 1, as log(4) = 2 log(2), to the last bit; gene 10 fills both
  // cells up to 28.
  std::vector<int32_t> starts{0}, column;
  std::vector<double> value;
  for (const double first : {3.0, 0.0}) {
    if (first > 0) column.push_back(0), value.push_back(first);
    for (int gene = 1; gene < 10; ++gene) column.push_back(gene), value.push_back(1);
    column.push_back(10), value.push_back(19 - first);
    starts.push_back(static_cast<int32_t>(value.size()));
  }
  const canal::SparseCells cells{2, 11, starts.data(), column.data(), value.data()};
  const auto statistics = canal::gene_statistics(cells, same_genes(11), all_of(2), 28, 1, control,
                                                 canal::Flavour::cell_ranger);
  EXPECT_EQ(statistics.mean[0], statistics.mean[1]);
  EXPECT_EQ(statistics.dispersion_norm[0], INFINITY);
  EXPECT_TRUE(std::isnan(statistics.dispersion_norm[1]));
  EXPECT_EQ(canal::variable_genes(statistics, 5), std::vector<int64_t>{0});
}

}  // namespace
