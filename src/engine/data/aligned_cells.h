// What every step of the preparation shares: walking the aligned counts of a cell.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/errors.h"
#include "engine/prepare.h"
#include "engine/runtime/chunks.h"

namespace canal {
namespace data {

// Throws where the alignment does not fit the counts, or two columns share a place.
void check_alignment(const SparseCells& counts, const Alignment& alignment);

// Throws unless every index lies in [0, size); `what` names them in the message.
void check_indices(const std::vector<int64_t>& indices, int64_t size, const std::string& what);

void check_target_sum(double target_sum);

[[noreturn]] void refuse_count(int64_t cell, int32_t gene, double value);

// Calls visit(vocabulary gene, count) for every count above 0 that the vocabulary sees.
template <class Visit>
void visit_counts(const SparseCells& counts, const Alignment& alignment, int64_t cell,
                  Visit&& visit) {
  for (int64_t at = counts.starts[cell]; at < counts.starts[cell + 1]; ++at) {
    const int32_t gene = counts.gene[at];
    const double value = counts.value[at];
    // Written so that NaN is refused too.
    if (!(value >= 0 && std::isfinite(value))) refuse_count(cell, gene, value);
    const int64_t place = alignment.place[gene];
    if (place >= 0 && value > 0) visit(place, value);
  }
}

// Calls visit(n) for n from 0 to `cells` - 1, a few hundred in a row on one thread. Looks for a
// cancellation at every cell and counts it as done.
template <class Visit>
void for_each_counted(int64_t cells, int num_threads, Control& control, Visit&& visit) {
  constexpr int64_t in_a_row = 256;
  for_each_chunk((cells + in_a_row - 1) / in_a_row, num_threads, [&](int64_t chunk) {
    const int64_t last = std::min(cells, (chunk + 1) * in_a_row);
    for (int64_t n = chunk * in_a_row; n < last; ++n) {
      control.check();
      visit(n);
      ++control.done;
    }
  });
}

double cell_total(const SparseCells& counts, const Alignment& alignment, int64_t cell);

// The count scaled to the target. Multiplying first keeps exact boundaries exact: 3 of 30,000 at a
// target of 10,000 must be 1, not 0.9999.
// A cell without a count in its total has no scale, and is silent.
inline double scaled_count(double count, double total, double target_sum) {
  return total > 0 ? count * target_sum / total : 0;
}

inline float normalised_value(double scaled) { return static_cast<float>(std::log2(1 + scaled)); }

}  // namespace data
}  // namespace canal
