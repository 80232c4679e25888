// Products of float32 numbers. Included inside a tier's target region (target.h).
#pragma once

namespace canal {

template <class Simd_>
struct Float32 {
  using Simd = Simd_;
  using Vec = typename Simd::Vec;
  using Item = float;
  static constexpr bool reduced = false;
  static constexpr bool packed_by_row = false;
  static constexpr int64_t lanes = Simd::lanes;
  static constexpr int64_t group = 1;           // rows of the depth in an item
  static constexpr int64_t depth_multiple = 1;  // what a depth is filled up to with zeros
  static constexpr int64_t tile_rows = Simd::tile_rows;
  static constexpr int64_t tile_vectors = 3;
  static constexpr int64_t token_multiple = lanes;  // what a block's tokens are filled up to
  static constexpr int64_t block = 96;  // tokens worked on at a time: they stay in the L2 cache

  // What a thread must have set up while it multiplies.
  struct Session {
    Session() {}  // not trivial: a thread sets up, even where there is nothing to do
  };

  // Puts rows `row` and `row + 1` of some columns.
  CANAL_KERNEL static void put(Columns<Item> to, int64_t row, int64_t column, Vec a, Vec b) {
    Simd::store(to.data + row * to.stride + column, a);
    Simd::store(to.data + (row + 1) * to.stride + column, b);
  }
  // Puts one row of columns whose rows will be read as rows along the columns (see along()).
  // Returns it as it was rounded.
  CANAL_KERNEL static Vec put_along(Item* to, Vec a) {
    Simd::store(to, a);
    return a;
  }
  CANAL_KERNEL static Vec get_along(const Item* from) { return Simd::load(from); }
  // Rows that were put with put_along(), `stride` numbers apart.
  static Rows<Item> along(const Item* data, int64_t stride) {
    return {data, stride, 1, tile_rows * stride};
  }
  static constexpr int64_t along_items(int64_t numbers) { return numbers; }

  // Some columns read as the rows of their transpose, `width` rows of `depth`. Formats that cannot
  // read them in place prepare a copy, for which they are given room.
  static void prepare_transposed(Columns<Item>, int64_t, int64_t, Item*) {}
  static Rows<Item> transposed(Columns<Item> of, int64_t, const Item*) {
    return {of.data, 1, of.stride, tile_rows};
  }
  static constexpr int64_t transposed_items(int64_t, int64_t) { return 0; }

  static Item pack(float a, float) { return a; }
  CANAL_KERNEL static Vec rounded(Vec a) { return a; }  // as an item holds it

  // A tile of A B: tile_rows x V vectors, written to rows `to_stride` apart.
  template <int V>
  static void tile(const Item* a, int64_t row_stride, int64_t depth_stride, const Item* b,
                   int64_t b_stride, int64_t steps, float* to, int64_t to_stride) {
    Vec sum[tile_rows][V];
#pragma GCC unroll 8
    for (int r = 0; r < tile_rows; ++r)
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[r][v] = Simd::broadcast(0.0f);
#pragma GCC unroll 1
    for (int64_t k = 0; k < steps; ++k) {
      Vec column[V];
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) column[v] = Simd::load(b + k * b_stride + v * lanes);
#pragma GCC unroll 8
      for (int r = 0; r < tile_rows; ++r) {
        const Vec factor = Simd::broadcast(a[r * row_stride + k * depth_stride]);
#pragma GCC unroll 3
        for (int v = 0; v < V; ++v) sum[r][v] = Simd::fma(factor, column[v], sum[r][v]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < tile_rows; ++r)
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) Simd::store(to + r * to_stride + v * lanes, sum[r][v]);
  }
};

}  // namespace canal
