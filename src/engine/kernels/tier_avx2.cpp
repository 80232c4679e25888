// The tier of CPUs with AVX2 and FMA.
#if defined(__x86_64__)
#include <immintrin.h>

#include "engine/kernels/plain.h"

CANAL_TARGET_BEGIN("avx2,fma")
#include "engine/kernels/simd_avx2.h"
//
#include "engine/kernels/templates.h"

namespace canal {
template void adam_step<Float32<Avx2>>(const AdamArrays&, int64_t, const AdamNumbers&);
template void norm_linear_rows<Float32<Avx2>>(const NormLinearRows&, int64_t, int64_t);
template void dense_product<Float32<Avx2>>(const DenseOperand&, int64_t,
                                           const StridedRows<const float>&, int64_t, int64_t,
                                           const StridedRows<float>&, float*);
template void sparse_product<Float32<Avx2>>(const SparseRows&, int64_t, int64_t,
                                            const StridedRows<const float>&, int64_t,
                                            const StridedRows<float>&);
template std::unique_ptr<EncoderKernel> make_encoder<Float32<Avx2>>(const LayerSizes&,
                                                                    const std::vector<LayerView>&,
                                                                    Keep);
}  // namespace canal
CANAL_TARGET_END

// Outside the region: these run on every CPU.
namespace canal {

Tier avx2_tier() {
  return {"avx2",
          false,
          [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); },
          make_encoder<Float32<Avx2>>,
          sparse_product<Float32<Avx2>>,
          dense_product<Float32<Avx2>>,
          adam_step<Float32<Avx2>>,
          norm_linear_rows<Float32<Avx2>>};
}

}  // namespace canal
#endif
