// Sparse rows times a dense matrix. Included inside a tier's target region (target.h).
#pragma once

namespace canal {

// V vectors of every row, which stay in registers while the row's values pass by. `at`: the first
// column.
template <class Format, int V>
void sparse_strip(const SparseRows& rows, int64_t first, int64_t last,
                  const StridedRows<const float>& dense, int64_t at, const StridedRows<float>& to) {
  using Simd = typename Format::Simd;
  using Vec = typename Simd::Vec;
  const int32_t* column = rows.column;
  const float* value = rows.value;
  for (int64_t r = first; r < last; ++r) {
    Vec sums[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) sums[v] = Simd::broadcast(0.0f);
    const int64_t end = rows.starts[r + 1];
#pragma GCC unroll 1
    for (int64_t k = rows.starts[r]; k < end; ++k) {
      const Vec factor = Simd::broadcast(value[k]);
      const float* from = dense.data + column[k] * dense.stride + at;
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v)
        sums[v] = Simd::fma(factor, Simd::load_any(from + v * Simd::lanes), sums[v]);
    }
    float* row = to.data + r * to.stride + at;
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) Simd::store_any(row + v * Simd::lanes, sums[v]);
  }
}

// One column, where there are fewer than a vector has.
template <class Format>
void sparse_column(const SparseRows& rows, int64_t first, int64_t last,
                   const StridedRows<const float>& dense, int64_t at,
                   const StridedRows<float>& to) {
  for (int64_t r = first; r < last; ++r) {
    float sum = 0;
    for (int64_t k = rows.starts[r]; k < rows.starts[r + 1]; ++k)
      sum += rows.value[k] * dense.data[rows.column[k] * dense.stride + at];
    to.data[r * to.stride + at] = sum;
  }
}

// Strips of V vectors as long as there are, then narrower ones. Returns the first column left.
template <class Format, int V>
int64_t sparse_strips(const SparseRows& rows, int64_t first, int64_t last,
                      const StridedRows<const float>& dense, int64_t width, int64_t at,
                      const StridedRows<float>& to) {
  constexpr int64_t floats = V * Format::lanes;
  for (; at + floats <= width; at += floats)
    sparse_strip<Format, V>(rows, first, last, dense, at, to);
  if constexpr (V > 1) at = sparse_strips<Format, V / 2>(rows, first, last, dense, width, at, to);
  return at;
}

template <class Format>
void sparse_product(const SparseRows& rows, int64_t first, int64_t last,
                    const StridedRows<const float>& dense, int64_t width,
                    const StridedRows<float>& to) {
  constexpr int vectors = sparse_strip_width / Format::lanes;
  int64_t at = sparse_strips<Format, vectors>(rows, first, last, dense, width, 0, to);
  if (at == width) return;
  // The last columns are once more a vector, whose first ones are written a second time.
  if (width >= Format::lanes) {
    sparse_strip<Format, 1>(rows, first, last, dense, width - Format::lanes, to);
    return;
  }
  for (; at < width; ++at) sparse_column<Format>(rows, first, last, dense, at, to);
}

}  // namespace canal
