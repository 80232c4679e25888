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
  return {"avx512_bf16", true,
          [] {
            return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512bf16");
          },
          make_encoder<Bfloat16>};
}

}  // namespace canal
#endif
