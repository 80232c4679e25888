// Products of bfloat16 numbers on tiles: 16 x 16 sums of 32 products at once. Included inside a
// tier's target region.
//
// Tiles: what multiplies them. The CPU's own are in tier_amx.cpp; the tests bring a plain loop, so
// that all that surrounds the six instructions is tested on other CPUs too.
#pragma once

namespace canal {

template <class Tiles>
struct AmxBfloat16 : Bfloat16Pairs {
  static constexpr bool packed_by_row = true;
  static constexpr int64_t depth_multiple = 32;  // numbers that a row of a tile holds
  static constexpr int64_t tile_rows = 32;       // two tiles
  static constexpr int64_t tile_vectors = 2;     // two tiles
  static constexpr int64_t token_multiple = 32;  // tokens are the depth of some products
  static constexpr int64_t block = 192;
  using Session = typename Tiles::Session;

  static Rows<Item> along(const Item* data, int64_t stride) {
    return {data, stride, 1, tile_rows * stride};
  }
  // A tile's row lies together in memory, so transposing takes a copy.
  static void prepare_transposed(Columns<Item> of, int64_t width, int64_t depth, Item* room) {
    const int64_t items = steps(depth);
    for (int64_t first = 0; first < items; first += 16)
      for (int64_t c = 0; c < width; ++c)
        for (int64_t i = first; i < first + 16; ++i)
          room[c * items + i] = of.data[i * of.stride + c];
  }
  static Rows<Item> transposed(Columns<Item>, int64_t depth, const Item* room) {
    return {room, steps(depth), 1, tile_rows * steps(depth)};
  }
  static constexpr int64_t transposed_items(int64_t width, int64_t depth) {
    return round_up(width, tile_rows) * steps(depth);
  }

  // steps: items of the depth, a multiple of 16.
  template <int V>
  static void tile(const Item* a, int64_t row_stride, int64_t, const Item* b, int64_t b_stride,
                   int64_t steps, float* to, int64_t to_stride) {
    Tiles::template multiply<V>(a, row_stride, b, b_stride, steps, to, to_stride);
  }

 private:
  static constexpr int64_t steps(int64_t depth) { return round_up(depth, depth_multiple) / group; }
};

}  // namespace canal
