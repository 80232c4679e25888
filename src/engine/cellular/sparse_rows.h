// Sparse matrices by rows, and their products with dense ones.
#pragma once
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/kernels/kernel.h"

namespace canal {

// Sparse rows that own their numbers.
struct OwnedRows {
  std::vector<int64_t> starts{0};
  std::vector<int32_t> column;
  std::vector<float> value;

  int64_t rows() const { return static_cast<int64_t>(starts.size()) - 1; }
  SparseRows view() const { return {starts.data(), column.data(), value.data()}; }
};

// What is not 0 of a row-major matrix.
OwnedRows nonzeros(const at::Tensor& dense);

// columns: of `rows`. The values of a column stay in their order.
OwnedRows transposed(const OwnedRows& rows, int64_t columns);

// rows (R x C) times dense (C x width, row-major). Returns R x width.
at::Tensor times(const OwnedRows& rows, const at::Tensor& dense, const Tier& tier);

// A thread's own aligned room, kept: to get one from the system in every step costs as much as to
// fill it. Valid until the thread asks again.
float* room_for(int64_t numbers);

// Columns of a dense matrix that are multiplied together. Its rows lie far apart in memory; packed
// side by side, a product finds them on few pages.
struct Strip {
  int64_t first, width;
};
inline int64_t strips_of(int64_t width) {
  return (width + sparse_strip_width - 1) / sparse_strip_width;
}
inline Strip strip_at(int64_t i, int64_t width) {
  const int64_t first = i * sparse_strip_width;
  return {first, std::min(sparse_strip_width, width - first)};
}
// to: rows x sparse_strip_width.
void pack(const at::Tensor& dense, const Strip& strip, float* to);

}  // namespace canal
