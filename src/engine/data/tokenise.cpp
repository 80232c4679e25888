#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "engine/data/aligned_cells.h"
#include "engine/prepare.h"

namespace canal {
namespace {

constexpr int most_bins = 254;  // a byte holds 0..n_bins and the mask token n_bins + 1

void check_bins(int n_bins) {
  if (n_bins >= 1 && n_bins <= most_bins) return;
  throw Error(ErrorKind::input, "n_bins: expected 1 to " + std::to_string(most_bins) + "; got " +
                                    std::to_string(n_bins) + ".");
}

// For each vocabulary gene its column among the chosen, or -1.
std::vector<int64_t> columns_of(const std::vector<int64_t>& chosen, int64_t vocabulary_size) {
  data::check_indices(chosen, vocabulary_size, "chosen");
  std::vector<int64_t> columns(vocabulary_size, -1);
  for (size_t column = 0; column < chosen.size(); ++column) {
    if (columns[chosen[column]] >= 0) {
      throw Error(ErrorKind::input, "chosen: expected different genes; got gene " +
                                        std::to_string(chosen[column]) + " twice.");
    }
    columns[chosen[column]] = column;
  }
  return columns;
}

uint8_t token_of(double scaled, int n_bins) {
  const float bin = std::floor(data::normalised_value(scaled));
  return static_cast<uint8_t>(std::min(bin, static_cast<float>(n_bins)));
}

}  // namespace

void tokens(const SparseCells& counts, const Alignment& alignment, const std::vector<int64_t>& kept,
            const std::vector<int64_t>& chosen, const TokenOptions& options, uint8_t* out,
            int num_threads, Control& control) {
  data::check_alignment(counts, alignment);
  data::check_indices(kept, counts.cells, "kept");
  data::check_target_sum(options.target_sum);
  check_bins(options.n_bins);
  const std::vector<int64_t> columns = columns_of(chosen, alignment.vocabulary_size);
  control.total = kept.size();
  data::for_each_counted(kept.size(), num_threads, control, [&](int64_t n) {
    uint8_t* row = out + n * chosen.size();
    std::memset(row, 0, chosen.size());
    const double total = data::cell_total(counts, alignment, kept[n]);
    data::visit_counts(counts, alignment, kept[n], [&](int64_t gene, double count) {
      if (columns[gene] < 0) return;
      row[columns[gene]] =
          token_of(data::scaled_count(count, total, options.target_sum), options.n_bins);
    });
  });
}

}  // namespace canal
