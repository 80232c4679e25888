#include <vector>

#include "engine/data/aligned_cells.h"
#include "engine/prepare.h"

namespace canal {

std::vector<float> normalised(const SparseCells& counts, const Alignment& alignment,
                              const std::vector<int64_t>& kept, double target_sum) {
  data::check_alignment(counts, alignment);
  data::check_indices(kept, counts.cells, "kept");
  data::check_target_sum(target_sum);
  std::vector<float> values(kept.size() * alignment.vocabulary_size, 0.0f);  // kept x vocabulary
  float* row = values.data();
  for (const int64_t cell : kept) {
    const double total = data::cell_total(counts, alignment, cell);
    data::visit_counts(counts, alignment, cell, [&](int64_t gene, double count) {
      row[gene] = data::normalised_value(data::scaled_count(count, total, target_sum));
    });
    row += alignment.vocabulary_size;
  }
  return values;
}

}  // namespace canal
