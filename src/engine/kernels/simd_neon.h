// 4 float32 lanes of Arm's NEON (64-bit Arm has it always).
#pragma once
#include <arm_neon.h>

namespace canal {

struct Neon {
  using Vec = float32x4_t;
  static constexpr int lanes = 4;
  static constexpr int tile_rows = 8;  // 8 x 3 sums, 3 columns and a factor in 32 registers

  CANAL_KERNEL static Vec load(const float* from) { return vld1q_f32(from); }
  static void store(float* to, Vec a) { vst1q_f32(to, a); }
  // From and to any place.
  CANAL_KERNEL static Vec load_any(const float* from) { return vld1q_f32(from); }
  CANAL_KERNEL static void store_any(float* to, Vec a) { vst1q_f32(to, a); }
  CANAL_KERNEL static Vec broadcast(float a) { return vdupq_n_f32(a); }
  CANAL_KERNEL static Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }  // a b + c
  CANAL_KERNEL static Vec max(Vec a, Vec b) { return vmaxq_f32(a, b); }
  CANAL_KERNEL static Vec min(Vec a, Vec b) { return vminq_f32(a, b); }
  CANAL_KERNEL static Vec sqrt(Vec a) { return vsqrtq_f32(a); }
  CANAL_KERNEL static Vec abs(Vec a) { return vabsq_f32(a); }
  // |a| with the sign of b, for a >= 0.
  CANAL_KERNEL static Vec with_sign(Vec a, Vec b) {
    return vbslq_f32(vdupq_n_u32(0x80000000u), b, a);
  }
  CANAL_KERNEL static Vec round(Vec a) { return vrndnq_f32(a); }
  // a 2^n, n whole, from -126 to 127.
  CANAL_KERNEL static Vec scale(Vec a, Vec n) {
    const int32x4_t exponent = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
    return a * vreinterpretq_f32_s32(vshlq_n_s32(exponent, 23));
  }
  CANAL_KERNEL static Vec reciprocal(Vec a) { return broadcast(1.0f) / a; }
  // Where a > b, x; else y.
  CANAL_KERNEL static Vec where_greater(Vec a, Vec b, Vec x, Vec y) {
    return vbslq_f32(vcgtq_f32(a, b), x, y);
  }
  CANAL_KERNEL static float sum(Vec a) { return vaddvq_f32(a); }
  CANAL_KERNEL static float largest(Vec a) { return vmaxvq_f32(a); }
};

}  // namespace canal
