#include "engine/cellular/covariance.h"

#include <algorithm>

#include "engine/runtime/chunks.h"

namespace canal {

namespace {

// Genes that one thread works on at a time: 4 MB of sums where there are 4,000 genes in all.
constexpr int64_t genes_together = 128;
// Ctrl-C is looked for between so many cells.
constexpr int64_t cells_together = 256;

// Adds up the products of every cell's values of genes [first, last) with those of the genes from
// there on. Each sum goes over the cells in their order.
void add_products(const SparseCells& values, int64_t first, int64_t last, double* sums,
                  const Control& control) {
  for (int64_t cell = 0; cell < values.cells; ++cell) {
    if (cell % cells_together == 0) control.check();
    const int32_t* end = values.gene + values.starts[cell + 1];
    const int32_t* from = std::lower_bound(values.gene + values.starts[cell], end, first);
    for (const int32_t* own = from; own < end && *own < last; ++own) {
      const double value = values.value[own - values.gene];
      double* column = sums + *own * values.genes;
      for (const int32_t* other = own; other < end; ++other) {
        column[*other] += value * values.value[other - values.gene];
      }
    }
  }
}

std::vector<double> gene_means(const SparseCells& values) {
  std::vector<double> means(static_cast<size_t>(values.genes));
  for (int32_t i = 0; i < values.starts[values.cells]; ++i) {
    means[static_cast<size_t>(values.gene[i])] += values.value[i];
  }
  for (double& mean : means) mean /= static_cast<double>(values.cells);
  return means;
}

}  // namespace

std::vector<double> gene_covariance(const SparseCells& values, int num_threads,
                                    const Control& control) {
  const int64_t n = values.genes;
  const std::vector<double> means = gene_means(values);
  std::vector<double> covariance(static_cast<size_t>(n * n));
  const int64_t chunks = (n + genes_together - 1) / genes_together;
  for_each_chunk(chunks, num_threads, [&](int64_t chunk) {
    const int64_t first = chunk * genes_together, last = std::min(n, first + genes_together);
    add_products(values, first, last, covariance.data(), control);
    for (int64_t gene = first; gene < last; ++gene) {
      double* column = covariance.data() + gene * n;
      for (int64_t other = gene; other < n; ++other) {
        column[other] = column[other] / static_cast<double>(values.cells) -
                        means[static_cast<size_t>(gene)] * means[static_cast<size_t>(other)];
      }
    }
  });
  return covariance;
}

}  // namespace canal
