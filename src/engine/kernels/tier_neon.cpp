// The tier of 64-bit Arm CPUs.
#if defined(__aarch64__)
#include "engine/kernels/plain.h"
//
#include "engine/kernels/simd_neon.h"
//
#include "engine/kernels/templates.h"

namespace canal {

Tier neon_tier() {
  return {"neon",
          false,
          [] { return true; },
          make_encoder<Float32<Neon>>,
          sparse_product<Float32<Neon>>,
          dense_product<Float32<Neon>>,
          adam_step<Float32<Neon>>,
          norm_linear_rows<Float32<Neon>>};
}

}  // namespace canal
#endif
