#include "engine/cellular/sparse_batch.h"

#include <ATen/ops/zeros.h>

#include <cmath>

namespace canal {

namespace {

constexpr double norm_eps = 1e-5;  // PyTorch's

struct MeanAndSd {
  double mean, sd;
};

// Over all genes, the zeros included.
MeanAndSd spread_of(const SparseCells& values, int64_t cell) {
  const int64_t first = values.starts[cell], last = values.starts[cell + 1];
  const double genes = static_cast<double>(values.genes);
  double sum = 0, squares = 0;
  for (int64_t k = first; k < last; ++k) sum += values.value[k];
  const double mean = sum / genes;
  for (int64_t k = first; k < last; ++k)
    squares += (values.value[k] - mean) * (values.value[k] - mean);
  squares += mean * mean * (genes - static_cast<double>(last - first));
  return {mean, std::sqrt(squares / genes + norm_eps)};
}

}  // namespace

SparseBatch sparse_batch(const SparseCells& values, const std::vector<int64_t>& cells) {
  SparseBatch batch{values.genes, {}, {}};
  for (const int64_t cell : cells) {
    const MeanAndSd spread = spread_of(values, cell);
    for (int64_t k = values.starts[cell]; k < values.starts[cell + 1]; ++k) {
      batch.by_cell.column.push_back(values.gene[k]);
      batch.by_cell.value.push_back(static_cast<float>(values.value[k] / spread.sd));
    }
    batch.by_cell.starts.push_back(static_cast<int64_t>(batch.by_cell.value.size()));
    batch.shift.push_back(static_cast<float>(spread.mean / spread.sd));
  }
  return batch;
}

at::Tensor dense_batch(const SparseCells& values, const std::vector<int64_t>& cells) {
  at::Tensor dense = at::zeros({static_cast<int64_t>(cells.size()), values.genes}, at::kFloat);
  float* row = dense.data_ptr<float>();
  for (const int64_t cell : cells) {
    for (int64_t k = values.starts[cell]; k < values.starts[cell + 1]; ++k)
      row[values.gene[k]] = static_cast<float>(values.value[k]);
    row += values.genes;
  }
  return dense;
}

}  // namespace canal
