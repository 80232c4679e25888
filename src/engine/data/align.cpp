#include <vector>

#include "engine/data/aligned_cells.h"
#include "engine/prepare.h"

namespace canal {
namespace data {

void check_alignment(const SparseCells& counts, const Alignment& alignment) {
  if (static_cast<int64_t>(alignment.place.size()) != counts.genes) {
    throw Error(ErrorKind::sizes, "alignment: expected a place for each of " +
                                      std::to_string(counts.genes) + " genes; got " +
                                      std::to_string(alignment.place.size()) + " places.");
  }
  std::vector<bool> taken(alignment.vocabulary_size, false);
  for (const int64_t place : alignment.place) {
    if (place == -1) continue;
    if (place < 0 || place >= alignment.vocabulary_size || taken[place]) {
      throw Error(ErrorKind::sizes, "alignment: expected different places under " +
                                        std::to_string(alignment.vocabulary_size) + "; got " +
                                        std::to_string(place) + " twice or out of range.");
    }
    taken[place] = true;
  }
}

void check_indices(const std::vector<int64_t>& indices, int64_t size, const std::string& what) {
  for (const int64_t index : indices) {
    if (index >= 0 && index < size) continue;
    throw Error(ErrorKind::sizes, what + ": expected indices from 0 to " +
                                      std::to_string(size - 1) + "; got " + std::to_string(index) +
                                      ".");
  }
}

void check_target_sum(double target_sum) {
  if (target_sum > 0 && std::isfinite(target_sum)) return;
  throw Error(ErrorKind::input, "target_sum: expected a finite number above 0; got " +
                                    std::to_string(target_sum) + ".");
}

void refuse_count(int64_t cell, int32_t gene, double value) {
  throw Error(ErrorKind::input, "counts: expected finite values of 0 or more; got " +
                                    std::to_string(value) + " in cell " + std::to_string(cell + 1) +
                                    ", gene " + std::to_string(gene + 1) + ".");
}

double cell_total(const SparseCells& counts, const Alignment& alignment, int64_t cell) {
  const int64_t scaling =
      alignment.scaling_genes < 0 ? alignment.vocabulary_size : alignment.scaling_genes;
  double total = 0;
  visit_counts(counts, alignment, cell, [&](int64_t gene, double count) {
    if (gene < scaling) total += count;
  });
  return total;
}

}  // namespace data

std::vector<int64_t> detected_genes(const SparseCells& counts, const Alignment& alignment,
                                    int num_threads, Control& control) {
  data::check_alignment(counts, alignment);
  std::vector<int64_t> detected(counts.cells, 0);
  control.total = counts.cells;
  data::for_each_counted(counts.cells, num_threads, control, [&](int64_t cell) {
    int64_t genes = 0;
    data::visit_counts(counts, alignment, cell, [&](int64_t, double) { ++genes; });
    detected[cell] = genes;
  });
  return detected;
}

}  // namespace canal
