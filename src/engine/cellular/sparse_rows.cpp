#include "engine/cellular/sparse_rows.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "engine/kernels/buffer.h"

namespace canal {

OwnedRows nonzeros(const at::Tensor& dense) {
  const int64_t width = dense.size(1);
  OwnedRows rows;
  rows.column.resize(dense.numel());
  rows.value.resize(dense.numel());
  const float* row = dense.data_ptr<float>();
  int64_t count = 0;
  for (int64_t r = 0; r < dense.size(0); ++r, row += width) {
    for (int64_t c = 0; c < width; ++c) {  // without a branch: which are 0 cannot be guessed
      rows.column[count] = static_cast<int32_t>(c);
      rows.value[count] = row[c];
      count += row[c] != 0;
    }
    rows.starts.push_back(count);
  }
  rows.column.resize(count);
  rows.value.resize(count);
  return rows;
}

OwnedRows transposed(const OwnedRows& rows, int64_t columns) {
  OwnedRows result;
  result.starts.assign(columns + 1, 0);
  result.column.resize(rows.column.size());
  result.value.resize(rows.value.size());
  for (const int32_t column : rows.column) ++result.starts[column + 1];
  for (int64_t c = 0; c < columns; ++c) result.starts[c + 1] += result.starts[c];
  std::vector<int64_t> next(result.starts.begin(), result.starts.end() - 1);
  for (int64_t row = 0; row < rows.rows(); ++row)
    for (int64_t k = rows.starts[row]; k < rows.starts[row + 1]; ++k) {
      const int64_t place = next[rows.column[k]]++;
      result.column[place] = static_cast<int32_t>(row);
      result.value[place] = rows.value[k];
    }
  return result;
}

void pack(const at::Tensor& dense, const Strip& strip, float* to) {
  const float* from = dense.data_ptr<float>() + strip.first;
  for (int64_t row = 0; row < dense.size(0); ++row)
    std::copy(from + row * dense.size(1), from + row * dense.size(1) + strip.width,
              to + row * sparse_strip_width);
}

float* room_for(int64_t numbers) {
  thread_local Buffer<float> room(0);
  if (room.size() < numbers) room = Buffer<float>(numbers);
  return room.data();  // NOLINT(clang-analyzer-cplusplus.NewDelete): it lives as long as the thread
}

at::Tensor times(const OwnedRows& rows, const at::Tensor& dense, const Tier& tier) {
  const int64_t width = dense.size(1);
  const at::Tensor result = at::empty({rows.rows(), width}, at::kFloat);
  at::parallel_for(0, strips_of(width), 1, [&](int64_t first, int64_t last) {
    float* room = room_for(dense.size(0) * sparse_strip_width);
    for (int64_t i = first; i < last; ++i) {
      const Strip strip = strip_at(i, width);
      pack(dense, strip, room);
      tier.sparse(rows.view(), 0, rows.rows(), {room, sparse_strip_width}, strip.width,
                  {result.data_ptr<float>() + strip.first, width});
    }
  });
  return result;
}

}  // namespace canal
