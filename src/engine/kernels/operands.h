// The two sides of a product A B, and how they lie in memory.
//
// Columns (B): depth x columns, a row of columns together. In bfloat16 two rows of the depth are
//   one item of 32 bits per column: that is what the instructions multiply.
// Rows (A): rows x depth, read an item at a time and multiplied with a whole vector of columns.
//   Strides say how, so a matrix of columns can be read as the rows of its transpose.
#pragma once
#include <cstdint>

namespace canal {

template <class Item>
struct Columns {
  Item* data;
  int64_t stride;  // columns from one row (or pair of rows) of the depth to the next
};

template <class Item>
struct Rows {
  const Item* data;
  int64_t row_stride;    // items from one row to the next
  int64_t depth_stride;  // items from one item of the depth to the next
  int64_t panel_stride;  // items from one tile of rows to the next
};

// A tile of a product, as the product left it: rows x (vectors of lanes), float32.
struct Tile {
  float* data;
  int64_t stride;
  int64_t row, rows;        // first row and number of rows that mean something
  int64_t column, vectors;  // first column and number of vectors

  float* at(int64_t r, int64_t v, int64_t lanes) const { return data + r * stride + v * lanes; }
};

}  // namespace canal
