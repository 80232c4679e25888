// Products of bfloat16 numbers with float32 sums, by AVX-512's dot products of pairs. Included
// inside a tier's target region.
#pragma once

namespace canal {

// What the tiers in bfloat16 share: two rows of the depth, rounded, are an item of 32 bits per
// column, the first row in the lower half.
struct Bfloat16Pairs {
  using Simd = Avx512;
  using Vec = Simd::Vec;
  using Item = uint32_t;
  static constexpr bool reduced = true;
  static constexpr int64_t lanes = Simd::lanes;
  static constexpr int64_t group = 2;

  CANAL_KERNEL static void put(Columns<Item> to, int64_t row, int64_t column, Vec a, Vec b) {
    alignas(vector_alignment) static constexpr uint16_t by_turns[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b, a));
    _mm512_store_si512(to.data + row / 2 * to.stride + column,
                       _mm512_permutexvar_epi16(_mm512_load_si512(by_turns), both));
  }
  CANAL_KERNEL static Vec put_along(Item* to, Vec a) {
    const __m256i rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a));
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), rounded);
    return widened(rounded);
  }
  CANAL_KERNEL static Vec get_along(const Item* from) {
    return widened(_mm256_load_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static constexpr int64_t along_items(int64_t numbers) { return numbers / group; }

  static Item pack(float a, float b) {
    return to_bfloat16(a) | static_cast<Item>(to_bfloat16(b)) << 16;
  }
  CANAL_KERNEL static Vec rounded(Vec a) {
    return widened(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a)));
  }

 private:
  CANAL_KERNEL static Vec widened(__m256i a) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(a), 16));
  }
};

struct Bfloat16 : Bfloat16Pairs {
  static constexpr bool packed_by_row = false;
  static constexpr int64_t depth_multiple = 2;
  static constexpr int64_t tile_rows = Simd::tile_rows;
  static constexpr int64_t tile_vectors = 3;
  static constexpr int64_t token_multiple = lanes;  // what a block's tokens are filled up to
  static constexpr int64_t block = 192;
  struct Session {
    Session() {}  // not trivial: a thread sets up, even where there is nothing to do
  };

  static Rows<Item> along(const Item* data, int64_t stride) {
    return {data, stride, 1, tile_rows * stride};
  }
  static void prepare_transposed(Columns<Item>, int64_t, int64_t, Item*) {}
  static Rows<Item> transposed(Columns<Item> of, int64_t, const Item*) {
    return {of.data, 1, of.stride, tile_rows};
  }
  static constexpr int64_t transposed_items(int64_t, int64_t) { return 0; }

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
      __m512bh column[V];
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v)
        column[v] = reinterpret_cast<__m512bh>(_mm512_load_si512(b + k * b_stride + v * lanes));
#pragma GCC unroll 8
      for (int r = 0; r < tile_rows; ++r) {
        const __m512bh pair = reinterpret_cast<__m512bh>(
            _mm512_set1_epi32(static_cast<int>(a[r * row_stride + k * depth_stride])));
#pragma GCC unroll 3
        for (int v = 0; v < V; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], pair, column[v]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < tile_rows; ++r)
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) Simd::store(to + r * to_stride + v * lanes, sum[r][v]);
  }
};

}  // namespace canal
