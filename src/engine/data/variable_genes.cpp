#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/errors.h"
#include "engine/prepare.h"

namespace canal {

std::vector<int64_t> variable_genes(const GeneStatistics& statistics, int64_t n_genes) {
  if (n_genes < 1) {
    throw Error(ErrorKind::input,
                "n_genes: expected at least 1; got " + std::to_string(n_genes) + ".");
  }
  const std::vector<double>& score = statistics.dispersion_norm;
  std::vector<int64_t> ranked;
  for (size_t gene = 0; gene < score.size(); ++gene) {
    if (!std::isnan(score[gene])) ranked.push_back(gene);
  }
  // Stable, so equal genes keep the vocabulary's order and exactly n_genes are taken.
  std::stable_sort(ranked.begin(), ranked.end(),
                   [&](int64_t a, int64_t b) { return score[a] > score[b]; });
  ranked.resize(std::min<size_t>(ranked.size(), n_genes));
  std::sort(ranked.begin(), ranked.end());
  return ranked;
}

}  // namespace canal
