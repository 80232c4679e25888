// 16 float32 lanes of AVX-512. Included inside a tier's target region (target.h).
#pragma once

namespace canal {

struct Avx512 {
  using Vec = __m512;
  static constexpr int lanes = 16;
  static constexpr int tile_rows = 8;  // 8 x 3 sums, 3 columns and a factor in 32 registers

  CANAL_KERNEL static Vec load(const float* from) { return _mm512_load_ps(from); }
  static void store(float* to, Vec a) { _mm512_store_ps(to, a); }
  // From and to any place.
  CANAL_KERNEL static Vec load_any(const float* from) { return _mm512_loadu_ps(from); }
  CANAL_KERNEL static void store_any(float* to, Vec a) { _mm512_storeu_ps(to, a); }
  CANAL_KERNEL static Vec broadcast(float a) { return _mm512_set1_ps(a); }
  CANAL_KERNEL static Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }  // a b + c
  CANAL_KERNEL static Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
  CANAL_KERNEL static Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
  CANAL_KERNEL static Vec sqrt(Vec a) { return _mm512_sqrt_ps(a); }
  CANAL_KERNEL static Vec abs(Vec a) { return _mm512_abs_ps(a); }
  // |a| with the sign of b, for a >= 0.
  CANAL_KERNEL static Vec with_sign(Vec a, Vec b) {
    const __m512i sign = _mm512_and_si512(_mm512_castps_si512(b), _mm512_set1_epi32(INT32_MIN));
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(a), sign));
  }
  CANAL_KERNEL static Vec round(Vec a) { return _mm512_roundscale_ps(a, 0); }
  // a 2^n, n whole.
  CANAL_KERNEL static Vec scale(Vec a, Vec n) { return _mm512_scalef_ps(a, n); }
  // 1 / a to float32's precision, for a of ordinary size.
  CANAL_KERNEL static Vec reciprocal(Vec a) {
    const Vec r = _mm512_rcp14_ps(a);
    return r * (broadcast(2.0f) - a * r);
  }
  // Where a > b, x; else y.
  CANAL_KERNEL static Vec where_greater(Vec a, Vec b, Vec x, Vec y) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
  }
  CANAL_KERNEL static float sum(Vec a) { return _mm512_reduce_add_ps(a); }
  CANAL_KERNEL static float largest(Vec a) { return _mm512_reduce_max_ps(a); }
};

}  // namespace canal
