// Mean and dispersion per gene as scanpy's flavours have them: `seurat` (Satija et al. 2015,
// doi:10.1038/nbt.3192) undoes the logarithm first; y = 2^x - 1 is the scaled count c itself, so no
// logarithm is taken for it. `cell_ranger` takes the moments of the logarithms.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/data/aligned_cells.h"
#include "engine/data/median_bins.h"
#include "engine/prepare.h"
#include "engine/runtime.h"
#include "engine/runtime/chunks.h"

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

// The kept cells' totals over the vocabulary's genes. Also sees to it that genes ascend within each
// cell, which finding a range of them by halving stands on.
std::vector<double> totals_of_cells(const SparseCells& counts, const Alignment& alignment,
                                    const std::vector<int64_t>& kept, int num_threads,
                                    Control& control) {
  std::vector<double> totals(kept.size());
  data::for_each_counted(kept.size(), num_threads, control, [&](int64_t n) {
    const int64_t cell = kept[n];
    totals[n] = data::cell_total(counts, alignment, cell);
    for (int64_t at = counts.starts[cell] + 1; at < counts.starts[cell + 1]; ++at) {
      if (counts.gene[at] > counts.gene[at - 1]) continue;
      throw Error(ErrorKind::input,
                  "counts: expected ascending genes in each cell; got others in "
                  "cell " +
                      std::to_string(cell + 1) + ".");
    }
  });
  return totals;
}

// Columns from `first` up to and without `last`.
struct ColumnRange {
  int64_t first;
  int64_t last;
};

// Of a scaled count, what moments are of.
double moment_value(double scaled, Flavour flavour) {
  return flavour == Flavour::cell_ranger ? std::log1p(scaled) : scaled;
}

// Moments of a range of columns, one after the other. Cells are added in their order, and all of a
// gene's on one thread: sharing out cells instead would add them up in other groups, so the last
// bits would depend on the number of threads.
std::vector<Moments> moments_of_range(const SparseCells& counts, const std::vector<int64_t>& kept,
                                      const std::vector<double>& totals, double target_sum,
                                      Flavour flavour, ColumnRange range, Control& control) {
  std::vector<Moments> moments(range.last - range.first);
  for (size_t n = 0; n < kept.size(); ++n) {
    control.check();
    const int32_t* end = counts.gene + counts.starts[kept[n] + 1];
    const int32_t* gene = std::lower_bound(counts.gene + counts.starts[kept[n]], end, range.first);
    const double* value = counts.value + (gene - counts.gene);
    for (; gene != end && *gene < range.last; ++gene, ++value) {
      if (*value <= 0) continue;
      moments[*gene - range.first].add(
          moment_value(data::scaled_count(*value, totals[n], target_sum), flavour));
    }
    ++control.done;
  }
  return moments;
}

std::vector<Moments> moments_of_genes(const SparseCells& counts, const Alignment& alignment,
                                      const std::vector<int64_t>& kept, double target_sum,
                                      Flavour flavour, int num_threads, Control& control) {
  // More ranges than threads, as some hold more values than others.
  const int threads = usable_threads(num_threads);
  const int64_t ranges = threads == 1 ? 1 : std::min<int64_t>(counts.genes, int64_t{8} * threads);
  control.total = kept.size() * (1 + ranges);
  const std::vector<double> totals = totals_of_cells(counts, alignment, kept, num_threads, control);
  std::vector<Moments> moments(alignment.vocabulary_size);
  for_each_chunk(ranges, num_threads, [&](int64_t n) {
    const ColumnRange range{counts.genes * n / ranges, counts.genes * (n + 1) / ranges};
    const auto found = moments_of_range(counts, kept, totals, target_sum, flavour, range, control);
    for (int64_t column = range.first; column < range.last; ++column) {
      const int64_t place = alignment.place[column];
      if (place >= 0) moments[place] = found[column - range.first];
    }
  });
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
                               const std::vector<int64_t>& kept, double target_sum, int num_threads,
                               Control& control, Flavour flavour) {
  data::check_alignment(counts, alignment);
  data::check_indices(kept, counts.cells, "kept");
  data::check_target_sum(target_sum);
  if (kept.empty() || alignment.vocabulary_size == 0) {
    throw Error(ErrorKind::input, "counts: expected at least one cell and one gene; got none.");
  }
  GeneStatistics statistics;
  for (const Moments& gene :
       moments_of_genes(counts, alignment, kept, target_sum, flavour, num_threads, control)) {
    const double mean = gene.mean == 0 ? smallest_mean : gene.mean;
    const double dispersion = gene.variance() / mean;
    const bool logs = flavour == Flavour::seurat;
    statistics.mean.push_back(logs ? std::log1p(mean) : mean);
    statistics.dispersion.push_back(!logs            ? dispersion
                                    : dispersion > 0 ? std::log(dispersion)
                                                     : missing);
  }
  statistics.dispersion_norm =
      flavour == Flavour::seurat
          ? standardised(statistics.dispersion, bins_of_means(statistics.mean))
          : data::above_median_of_bin(statistics.mean, statistics.dispersion);
  return statistics;
}

}  // namespace canal
