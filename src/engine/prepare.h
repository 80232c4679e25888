// From counts to tokens (METHODS section 1).
#pragma once
#include <cstdint>
#include <vector>

#include "engine/control.h"

namespace canal {

// A view on sparse counts, cells x genes in compressed rows. A dgCMatrix of genes x cells is this.
struct SparseCells {
  int64_t cells;
  int64_t genes;
  const int32_t* starts;  // cells + 1
  const int32_t* gene;    // column of each value, counted from 0
  const double* value;
};

struct PrepareOptions {
  double target_sum;
  int n_bins;
  int64_t min_genes;  // fewer detected genes after alignment: the cell is left out
};

// Mean, variance and dispersion per vocabulary gene, scanpy's `seurat` flavour.
struct GeneStatistics {
  std::vector<double> mean;             // log(1 + m)
  std::vector<double> dispersion;       // log(v / m), NaN where v is 0
  std::vector<double> dispersion_norm;  // standardised within its bin of means, NaN where missing
};

// Genes per cell that a vocabulary sees, after alignment. column_of_gene: for each input column its
// place in the vocabulary, or -1. Returns detected genes per cell.
std::vector<int64_t> detected_genes(const SparseCells& counts, const std::vector<int64_t>& place);

// log2(1 + c) of the kept cells, cells x vocabulary, row-major: the slow and obvious form, for tests
// and for looking at.
std::vector<float> normalised(const SparseCells& counts, const std::vector<int64_t>& place,
                              int64_t vocabulary_size, const std::vector<int64_t>& kept,
                              const PrepareOptions& options);

GeneStatistics gene_statistics(const SparseCells& counts, const std::vector<int64_t>& place,
                               int64_t vocabulary_size, const std::vector<int64_t>& kept,
                               const PrepareOptions& options, Control& control);

// The `n_genes` most variable genes in vocabulary order, counted from 0; equal ones by that order.
std::vector<int64_t> variable_genes(const GeneStatistics& statistics, int64_t n_genes);

// Tokens of the kept cells for the chosen vocabulary genes: cells x chosen, a cell's together.
std::vector<uint8_t> tokens(const SparseCells& counts, const std::vector<int64_t>& place,
                            int64_t vocabulary_size, const std::vector<int64_t>& kept,
                            const std::vector<int64_t>& chosen, const PrepareOptions& options,
                            Control& control);

}  // namespace canal
