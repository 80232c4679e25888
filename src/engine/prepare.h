// From counts to tokens: aligning cells to a vocabulary, normalising them, choosing variable genes
// and binning. Everything but `normalised()` streams over the stored values, so memory grows with
// the counts and never with cells x genes.
//
// `num_threads` is the most to use, 0 for every core. Each sum is added up in one order whatever
// their number, so results are the same bit for bit.
#pragma once
#include <cstdint>
#include <limits>
#include <vector>

#include "engine/control.h"

namespace canal {

// A view on sparse counts, cells x genes in compressed rows, the genes of a cell ascending. A
// dgCMatrix of genes x cells is this.
struct SparseCells {
  int64_t cells;
  int64_t genes;
  const int32_t* starts;  // cells + 1
  const int32_t* gene;    // column of each value, counted from 0
  const double* value;
};

// Where each input column goes in a vocabulary. No two columns may share a place.
struct Alignment {
  std::vector<int64_t> place;  // for each input column its vocabulary gene from 0, or -1
  int64_t vocabulary_size;
  // So many of the vocabulary's first genes make the total that a cell is scaled to; -1: all. Genes
  // that join a vocabulary later must not change the scale of the others.
  int64_t scaling_genes = -1;
};

struct TokenOptions {
  double target_sum;  // every cell's total over the aligned genes after normalising
  int n_bins;         // the highest token, 1 to 254: one more is left for the mask token
};

// How variable genes are found (scanpy's names).
enum class Flavour {
  seurat,      // moments of the scaled counts; their logarithms within bins of equal width
  cell_ranger  // moments of log(1 + scaled count); within bins of as many genes
};

// Mean m and dispersion v / m per vocabulary gene, with m = 1e-12 where the mean is 0.
struct GeneStatistics {
  std::vector<double> mean;        // seurat: log(1 + m)
  std::vector<double> dispersion;  // seurat: log(v / m), NaN where v is 0
  // By how much it lies above its bin's, in the bin's spread; NaN where missing. seurat: mean and
  // standard deviation; cell_ranger: median and median absolute deviation, infinite where that is
  // 0.
  std::vector<double> dispersion_norm;
};

// What stored values are like, before anything is computed from them.
struct ValueFacts {
  int64_t not_finite = 0;         // how many are NaN or infinite
  int64_t first_not_finite = -1;  // place of the first of them
  int64_t negative = 0;
  int64_t first_negative = -1;
  bool negative_whole = true;                                 // all negative ones are whole numbers
  bool whole = true;                                          // all are whole numbers
  double smallest = std::numeric_limits<double>::infinity();  // of the finite ones
  double largest = -std::numeric_limits<double>::infinity();
};

ValueFacts value_facts(const double* values, int64_t count, int num_threads, Control& control);

// Detected genes (counts above 0) of every cell, among those the vocabulary has.
std::vector<int64_t> detected_genes(const SparseCells& counts, const Alignment& alignment,
                                    int num_threads, Control& control);

// log2(1 + c) of the kept cells, kept x vocabulary, row-major: the slow and obvious form, for tests
// and for looking at. c is the count scaled to `target_sum`; a cell without counts is all zeros.
std::vector<float> normalised(const SparseCells& counts, const Alignment& alignment,
                              const std::vector<int64_t>& kept, double target_sum);

GeneStatistics gene_statistics(const SparseCells& counts, const Alignment& alignment,
                               const std::vector<int64_t>& kept, double target_sum, int num_threads,
                               Control& control, Flavour flavour = Flavour::seurat);

// The `n_genes` most variable genes in vocabulary order, counted from 0; among equal ones the first
// of that order. Genes without a standardised dispersion are never chosen, so fewer may come back.
std::vector<int64_t> variable_genes(const GeneStatistics& statistics, int64_t n_genes);

// Writes the tokens of the kept cells for the chosen vocabulary genes: kept x chosen bytes, a
// cell's together. The caller owns `out`, so that a large result exists once.
void tokens(const SparseCells& counts, const Alignment& alignment, const std::vector<int64_t>& kept,
            const std::vector<int64_t>& chosen, const TokenOptions& options, uint8_t* out,
            int num_threads, Control& control);

}  // namespace canal
