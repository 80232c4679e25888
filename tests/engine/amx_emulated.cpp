// The tier for AMX with its tile instructions as a plain loop: the CPU need only have AVX-512's
// bfloat16 conversions.
#include "amx_emulated.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "engine/kernels/plain.h"

CANAL_TARGET_BEGIN("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#include "engine/kernels/simd_avx512.h"
//
#include "engine/kernels/templates.h"
//
#include "engine/kernels/format_bfloat16.h"
//
#include "engine/kernels/format_amx.h"

namespace canal_test {

namespace {

float half_of(uint32_t pair, int which) {
  const uint32_t bits = which == 0 ? pair << 16 : pair & 0xffff0000u;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

struct PlainTiles {
  struct Session {
    Session() {}  // NOLINT(modernize-use-equals-default): like the true one it is no bare variable
  };
  template <int V>
  static void multiply(const uint32_t* a, int64_t row_stride, const uint32_t* b, int64_t b_stride,
                       int64_t steps, float* to, int64_t to_stride) {
    for (int64_t r = 0; r < 32; ++r)
      for (int64_t c = 0; c < V * 16; ++c) {
        float sum = 0;
        for (int64_t k = 0; k < steps; ++k)
          for (int which : {0, 1})
            sum += half_of(a[r * row_stride + k], which) * half_of(b[k * b_stride + c], which);
        to[r * to_stride + c] = sum;
      }
  }
};

}  // namespace

std::vector<canal::Tier> emulated_tiers() {
  canal::Tier tier = canal::avx512_bf16_tier();
  tier.name = "amx_emulated";
  tier.make = canal::make_encoder<canal::AmxBfloat16<PlainTiles>>;
  return {tier};
}

}  // namespace canal_test
CANAL_TARGET_END
#else
namespace canal_test {
std::vector<canal::Tier> emulated_tiers() { return {}; }
}  // namespace canal_test
#endif
