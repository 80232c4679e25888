// The tier of CPUs with AVX-512 and its bfloat16 dot products.
#if defined(__x86_64__)
#include <immintrin.h>

#include "engine/kernels/plain.h"

CANAL_TARGET_BEGIN("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#include "engine/kernels/simd_avx512.h"
//
#include "engine/kernels/templates.h"
//
#include "engine/kernels/format_bfloat16.h"

namespace canal {
template std::unique_ptr<EncoderKernel> make_encoder<Bfloat16>(const LayerSizes&,
                                                               const std::vector<LayerView>&, Keep);
}  // namespace canal
CANAL_TARGET_END

// Outside the region: these run on every CPU.
namespace canal {

Tier avx512_bf16_tier() {
  Tier tier = avx512_tier();  // what is float32 in all tiers
  tier.name = "avx512_bf16";
  tier.reduced = true;
  tier.runs_here = [] { return avx512_tier().runs_here() && __builtin_cpu_supports("avx512bf16"); };
  tier.make = make_encoder<Bfloat16>;
  return tier;
}

}  // namespace canal
#endif
