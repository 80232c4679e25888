// Products of dense float32 matrices of any size and layout. Included inside a tier's target region
// (target.h).
#pragma once

namespace canal {

// Rows as a tile reads them, what is missing to whole tiles zeros.
template <class Format>
Rows<float> pack_rows(const DenseOperand& a, int64_t rows, int64_t depth, float* to) {
  constexpr int64_t together = Format::tile_rows;
  for (int64_t panel = 0; panel * together < rows; ++panel) {
    const float* from = a.data + panel * together * a.row_stride;
    const int64_t meant = rows - panel * together < together ? rows - panel * together : together;
    float* place = to + panel * together * depth;
    for (int64_t k = 0; k < depth; ++k, place += together) {
      for (int64_t r = 0; r < meant; ++r) place[r] = from[r * a.row_stride + k * a.depth_stride];
      for (int64_t r = meant; r < together; ++r) place[r] = 0;
    }
  }
  return {to, 1, together, together * depth};
}

template <class Format>
Columns<float> pack_columns(const StridedRows<const float>& b, int64_t depth, int64_t columns,
                            float* to) {
  const int64_t stride = round_up(columns, Format::lanes);
  for (int64_t k = 0; k < depth; ++k) {
    std::memcpy(to + k * stride, b.data + k * b.stride, columns * sizeof(float));
    std::memset(to + k * stride + columns, 0, (stride - columns) * sizeof(float));
  }
  return {to, stride};
}

template <class Format>
void dense_product(const DenseOperand& a, int64_t rows, const StridedRows<const float>& b,
                   int64_t depth, int64_t columns, const StridedRows<float>& to, float* room) {
  const Columns<float> right = pack_columns<Format>(b, depth, columns, room);
  const Rows<float> left = pack_rows<Format>(a, rows, depth, room + depth * right.stride);
  multiply<Format>(left, rows, right, columns, depth, [&](const Tile& tile) {
    for (int64_t r = 0; r < tile.rows; ++r)
      for (int64_t v = 0; v < tile.vectors; ++v) {
        const int64_t column = tile.column + v * Format::lanes, left_over = columns - column;
        store_some<Format>(to.data + (tile.row + r) * to.stride + column,
                           Format::Simd::load(tile.at(r, v, Format::lanes)),
                           left_over < Format::lanes ? left_over : Format::lanes);
      }
  });
}

}  // namespace canal
