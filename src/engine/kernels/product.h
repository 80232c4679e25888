// Products of any size out of tiles. Included inside a tier's target region (target.h).
#pragma once

namespace canal {

// Items that `numbers` of the depth take, the zeros at the end included.
template <class Format>
constexpr int64_t depth_items(int64_t numbers) {
  return round_up(numbers, Format::depth_multiple) / Format::group;
}

// Rows of a matrix packed so that a tile reads them one after the other.
template <class Format>
class PackedRows {
 public:
  // value(row, depth) for every number.
  template <class Value>
  PackedRows(int64_t rows, int64_t depth, const Value& value)
      : steps_(depth_items<Format>(depth)), data_(round_up(rows, Format::tile_rows) * steps_) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < depth; k += Format::group)
        data_[place(r, k / Format::group)] =
            Format::pack(value(r, k), k + 1 < depth && Format::group > 1 ? value(r, k + 1) : 0.0f);
  }
  PackedRows() = default;

  Rows<typename Format::Item> rows() const {
    if (Format::packed_by_row) return {data_.data(), steps_, 1, Format::tile_rows * steps_};
    return {data_.data(), 1, Format::tile_rows, Format::tile_rows * steps_};
  }

 private:
  int64_t place(int64_t row, int64_t step) const {
    if (Format::packed_by_row) return row * steps_ + step;
    const int64_t panel = row / Format::tile_rows;
    return (panel * steps_ + step) * Format::tile_rows + row % Format::tile_rows;
  }
  int64_t steps_ = 0;
  Buffer<typename Format::Item> data_;
};

// Columns of a matrix, value(depth, column); filled up with zeros to whole vectors.
template <class Format>
class PackedColumns {
 public:
  template <class Value>
  PackedColumns(int64_t depth, int64_t columns, const Value& value)
      : stride_(round_up(columns, Format::lanes)), data_(depth_items<Format>(depth) * stride_) {
    for (int64_t k = 0; k < depth; k += Format::group)
      for (int64_t c = 0; c < columns; ++c)
        data_[k / Format::group * stride_ + c] =
            Format::pack(value(k, c), k + 1 < depth && Format::group > 1 ? value(k + 1, c) : 0.0f);
  }
  PackedColumns() = default;

  // Products only read what they multiply.
  Columns<typename Format::Item> columns() const {
    return {const_cast<typename Format::Item*>(data_.data()), stride_};
  }

 private:
  int64_t stride_ = 0;
  Buffer<typename Format::Item> data_;
};

// Takes tiles by letting products write them where they belong: a row-major matrix whose rows are
// filled up to whole tiles.
struct Store {
  float* to;
  int64_t stride;
};

// The tiles of V vectors at column `column`, from top to bottom; `take` gets each.
template <class Format, int V, class Take>
void product_strip(const Rows<typename Format::Item>& a, int64_t rows,
                   const Columns<typename Format::Item>& b, int64_t column, int64_t steps,
                   const Take& take) {
  constexpr int64_t stride = V * Format::lanes;
  alignas(vector_alignment) float sums[Format::tile_rows * stride];
  auto multiply_tile = [&](int64_t row, float* to, int64_t to_stride) {
    Format::template tile<V>(a.data + row / Format::tile_rows * a.panel_stride, a.row_stride,
                             a.depth_stride, b.data + column, b.stride, steps, to, to_stride);
  };
  for (int64_t row = 0; row < rows; row += Format::tile_rows) {
    if constexpr (std::is_same<Take, Store>::value) {
      multiply_tile(row, take.to + row * take.stride + column, take.stride);
    } else {
      multiply_tile(row, sums, stride);
      const int64_t meant = rows - row < Format::tile_rows ? rows - row : Format::tile_rows;
      take(Tile{sums, stride, row, meant, column, V});
    }
  }
}

// A B, `columns` rounded up to whole vectors. take(tile) is called for every tile, strip of columns
// by strip of columns: the strip stays in the L1 cache while the rows pass by.
template <class Format, class Take>
void multiply(const Rows<typename Format::Item>& a, int64_t rows,
              const Columns<typename Format::Item>& b, int64_t columns, int64_t depth,
              const Take& take) {
  const int64_t steps = depth_items<Format>(depth);
  int64_t vectors = (columns + Format::lanes - 1) / Format::lanes, column = 0;
  int64_t strips = (vectors + Format::tile_vectors - 1) / Format::tile_vectors;
  for (; strips > 0; --strips) {
    const int64_t width = (vectors + strips - 1) / strips;  // as even as can be
    if (width == 3)
      product_strip<Format, Format::tile_vectors>(a, rows, b, column, steps, take);
    else if (width == 2)
      product_strip<Format, 2>(a, rows, b, column, steps, take);
    else
      product_strip<Format, 1>(a, rows, b, column, steps, take);
    vectors -= width;
    column += width * Format::lanes;
  }
}

// Puts a tile among some columns, its first row at row `at` of them.
template <class Format>
CANAL_KERNEL void put_tile(const Tile& tile, Columns<typename Format::Item> to, int64_t at) {
  using S = typename Format::Simd;
  for (int64_t r = 0; r < tile.rows; r += 2)
    for (int64_t v = 0; v < tile.vectors; ++v) {
      const bool last = r + 1 == tile.rows;  // what lies beyond is put as it is: zero, or not read
      Format::put(to, at + r, tile.column + v * Format::lanes,
                  S::load(tile.at(r, v, Format::lanes)),
                  last ? S::broadcast(0.0f) : S::load(tile.at(r + 1, v, Format::lanes)));
    }
}

// Adds a tile to a row-major matrix of rows `stride` apart.
template <class Format>
CANAL_KERNEL void add_tile(const Tile& tile, float* to, int64_t stride) {
  using S = typename Format::Simd;
  for (int64_t r = 0; r < tile.rows; ++r)
    for (int64_t v = 0; v < tile.vectors; ++v) {
      float* at = to + (tile.row + r) * stride + tile.column + v * Format::lanes;
      S::store(at, S::load(at) + S::load(tile.at(r, v, Format::lanes)));
    }
}

}  // namespace canal
