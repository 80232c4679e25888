// The tier of CPUs with AVX-512, in float32.
#if defined(__x86_64__)
#include <immintrin.h>

#include "engine/kernels/plain.h"

CANAL_TARGET_BEGIN("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")
#include "engine/kernels/simd_avx512.h"
//
#include "engine/kernels/templates.h"

namespace canal {
template void adam_step<Float32<Avx512>>(const AdamArrays&, int64_t, const AdamNumbers&);
template void norm_linear_rows<Float32<Avx512>>(const NormLinearRows&, int64_t, int64_t);
template void dense_product<Float32<Avx512>>(const DenseOperand&, int64_t,
                                             const StridedRows<const float>&, int64_t, int64_t,
                                             const StridedRows<float>&, float*);
template void sparse_product<Float32<Avx512>>(const SparseRows&, int64_t, int64_t,
                                              const StridedRows<const float>&, int64_t,
                                              const StridedRows<float>&);
template std::unique_ptr<EncoderKernel> make_encoder<Float32<Avx512>>(const LayerSizes&,
                                                                      const std::vector<LayerView>&,
                                                                      Keep);
}  // namespace canal
CANAL_TARGET_END

// Outside the region: these run on every CPU.
namespace canal {

Tier avx512_tier() {
  return {"avx512",
          false,
          [] {
            return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("fma");
          },
          make_encoder<Float32<Avx512>>,
          sparse_product<Float32<Avx512>>,
          dense_product<Float32<Avx512>>,
          adam_step<Float32<Avx512>>,
          norm_linear_rows<Float32<Avx512>>};
}

}  // namespace canal
#endif
