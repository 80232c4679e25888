// Mean and dispersion per gene as scanpy's `seurat` flavour has them (Satija et al. 2015,
// doi:10.1038/nbt.3192). That flavour undoes the logarithm first; y = 2^x - 1 is the scaled count c
// itself, so no logarithm is taken here.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/data/aligned_cells.h"
#include "engine/prepare.h"

namespace canal {
namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();
constexpr double smallest_mean = 1e-12;  // stands for a mean of 0, so that v / m is defined
constexpr int mean_bins = 20;

// Welford's running mean and sum of squared deviations: a gene that is the same in every cell comes
// out with variance 0 exactly, which sums of squares would miss by rounding.
struct Moments {
  double count = 0;
  double mean = 0;
  double squares = 0;  // sum of (value - mean)^2

  void add(double value) {
    ++count;
    const double before = value - mean;
    mean += before / count;
    squares += before * (value - mean);
  }

  // Adds the zeros, which are not stored, so that `all` values are counted (Chan et al. 1979).
  void add_zeros(double all) {
    squares += mean * mean * count * ((all - count) / all);
    mean *= count / all;
    count = all;
  }

  double variance() const { return squares / (count - 1); }
};

std::vector<Moments> moments_of_genes(const SparseCells& counts, const Alignment& alignment,
                                      const std::vector<int64_t>& kept, double target_sum,
                                      Control& control) {
  std::vector<Moments> moments(alignment.vocabulary_size);
  control.total = kept.size();
  for (const int64_t cell : kept) {
    control.check();
    const double total = data::cell_total(counts, alignment, cell);
    data::visit_counts(counts, alignment, cell, [&](int64_t gene, double count) {
      moments[gene].add(data::scaled_count(count, total, target_sum));
    });
    ++control.done;
  }
  for (Moments& gene : moments) gene.add_zeros(kept.size());
  return moments;
}

// Upper edges of equal-width bins as pandas.cut lays them. Its widening of the lowest edge only
// makes the first bin hold the smallest mean, which searching among the upper edges does as well;
// where all means are equal it widens both ends instead, and they share the bin in the middle.
std::array<double, mean_bins> upper_edges(const std::vector<double>& mean) {
  auto range = std::minmax_element(mean.begin(), mean.end());
  double lowest = *range.first;
  double highest = *range.second;
  if (lowest == highest) {
    const double widening = lowest == 0 ? 0.001 : 0.001 * std::abs(lowest);
    lowest -= widening;
    highest += widening;
  }
  const double width = (highest - lowest) / mean_bins;
  std::array<double, mean_bins> edges;
  for (int bin = 0; bin < mean_bins; ++bin) edges[bin] = (bin + 1) * width + lowest;
  edges[mean_bins - 1] = highest;
  return edges;
}

std::vector<int> bins_of_means(const std::vector<double>& mean) {
  const auto edges = upper_edges(mean);
  std::vector<int> bins;
  bins.reserve(mean.size());
  for (const double value : mean) {
    bins.push_back(std::lower_bound(edges.begin(), edges.end(), value) - edges.begin());
  }
  return bins;
}

// (d - centre) / spread within each bin, missing dispersions left out.
std::vector<double> standardised(const std::vector<double>& dispersion,
                                 const std::vector<int>& bins) {
  std::array<Moments, mean_bins> in_bin;
  for (size_t gene = 0; gene < bins.size(); ++gene) {
    if (!std::isnan(dispersion[gene])) in_bin[bins[gene]].add(dispersion[gene]);
  }
  std::vector<double> result;
  result.reserve(bins.size());
  for (size_t gene = 0; gene < bins.size(); ++gene) {
    const Moments& bin = in_bin[bins[gene]];
    // One gene has no spread: scanpy divides it by itself, so it gets 1.
    const bool alone = bin.count == 1;
    const double centre = alone ? 0 : bin.mean;
    const double spread = alone ? bin.mean : std::sqrt(bin.variance());
    const double value = (dispersion[gene] - centre) / spread;
    result.push_back(std::isfinite(value) ? value : missing);
  }
  return result;
}

}  // namespace

GeneStatistics gene_statistics(const SparseCells& counts, const Alignment& alignment,
                               const std::vector<int64_t>& kept, double target_sum,
                               Control& control) {
  data::check_alignment(counts, alignment);
  data::check_indices(kept, counts.cells, "kept");
  data::check_target_sum(target_sum);
  if (kept.empty() || alignment.vocabulary_size == 0) {
    throw Error(ErrorKind::input, "counts: expected at least one cell and one gene; got none.");
  }
  GeneStatistics statistics;
  for (const Moments& gene : moments_of_genes(counts, alignment, kept, target_sum, control)) {
    const double mean = gene.mean == 0 ? smallest_mean : gene.mean;
    const double dispersion = gene.variance() / mean;
    statistics.mean.push_back(std::log1p(mean));
    statistics.dispersion.push_back(dispersion > 0 ? std::log(dispersion) : missing);
  }
  statistics.dispersion_norm = standardised(statistics.dispersion, bins_of_means(statistics.mean));
  return statistics;
}

}  // namespace canal
