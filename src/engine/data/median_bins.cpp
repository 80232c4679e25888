#include "engine/data/median_bins.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace canal {
namespace data {
namespace {

// The normal distribution's upper quartile: of a normal sample, MAD / this is the standard
// deviation.
constexpr double normal_quartile = 0.6744897501960817;

// As numpy.percentile: linear between the two nearest, by the same formula, so that a value that is
// a bin's edge stays one. sorted: ascending, not empty.
double percentile(const std::vector<double>& sorted, double percent) {
  const double place = percent / 100 * static_cast<double>(sorted.size() - 1);
  const size_t below = std::min(static_cast<size_t>(place), sorted.size() - 1);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = place - static_cast<double>(below);
  const double step = sorted[above] - sorted[below];
  return share < 0.5 ? sorted[below] + step * share : sorted[above] - step * (1 - share);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// The upper edges, which belong to their bins: the 10th, 15th, ..., 100th percentile.
std::vector<double> upper_edges(std::vector<double> mean) {
  std::sort(mean.begin(), mean.end());
  std::vector<double> edges;
  for (int percent = 10; percent <= 100; percent += 5) edges.push_back(percentile(mean, percent));
  edges.push_back(std::numeric_limits<double>::infinity());
  return edges;
}

}  // namespace

std::vector<double> above_median_of_bin(const std::vector<double>& mean,
                                        const std::vector<double>& dispersion) {
  const std::vector<double> edges = upper_edges(mean);
  std::vector<std::vector<int64_t>> bins(edges.size());
  for (size_t gene = 0; gene < mean.size(); ++gene)
    bins[std::lower_bound(edges.begin(), edges.end(), mean[gene]) - edges.begin()].push_back(gene);
  std::vector<double> result(mean.size());
  for (const std::vector<int64_t>& bin : bins) {
    if (bin.empty()) continue;
    std::vector<double> values;
    values.reserve(bin.size());
    for (const int64_t gene : bin) values.push_back(dispersion[gene]);
    const double centre = median(values);
    for (double& value : values) value = std::abs(value - centre);
    const double spread = median(values) / normal_quartile;
    for (const int64_t gene : bin) result[gene] = (dispersion[gene] - centre) / spread;
  }
  return result;
}

}  // namespace data
}  // namespace canal
