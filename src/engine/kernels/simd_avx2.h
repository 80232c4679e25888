// 8 float32 lanes of AVX2 with FMA. Included inside a tier's target region (target.h).
#pragma once

namespace canal {

struct Avx2 {
  using Vec = __m256;
  static constexpr int lanes = 8;
  static constexpr int tile_rows = 4;  // 4 x 3 sums, 3 columns and a factor in 16 registers

  CANAL_KERNEL static Vec load(const float* from) { return _mm256_load_ps(from); }
  static void store(float* to, Vec a) { _mm256_store_ps(to, a); }
  // From and to any place.
  CANAL_KERNEL static Vec load_any(const float* from) { return _mm256_loadu_ps(from); }
  CANAL_KERNEL static void store_any(float* to, Vec a) { _mm256_storeu_ps(to, a); }
  CANAL_KERNEL static Vec broadcast(float a) { return _mm256_set1_ps(a); }
  CANAL_KERNEL static Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }  // a b + c
  CANAL_KERNEL static Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
  CANAL_KERNEL static Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
  CANAL_KERNEL static Vec sqrt(Vec a) { return _mm256_sqrt_ps(a); }
  CANAL_KERNEL static Vec abs(Vec a) { return _mm256_andnot_ps(broadcast(-0.0f), a); }
  // |a| with the sign of b, for a >= 0.
  CANAL_KERNEL static Vec with_sign(Vec a, Vec b) {
    return _mm256_or_ps(a, _mm256_and_ps(broadcast(-0.0f), b));
  }
  CANAL_KERNEL static Vec round(Vec a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  // a 2^n, n whole, from -126 to 127.
  CANAL_KERNEL static Vec scale(Vec a, Vec n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return a * _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
  }
  // 1 / a to float32's precision.
  CANAL_KERNEL static Vec reciprocal(Vec a) { return broadcast(1.0f) / a; }
  // Where a > b, x; else y.
  CANAL_KERNEL static Vec where_greater(Vec a, Vec b, Vec x, Vec y) {
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
  }
  CANAL_KERNEL static float sum(Vec a) {
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
  }
  CANAL_KERNEL static float largest(Vec a) {
    const __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 pair = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(pair, _mm_movehdup_ps(pair)));
  }
};

}  // namespace canal
