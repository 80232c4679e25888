#include "engine/kernels/tier_list.h"

namespace canal {

const std::vector<Tier>& tiers() {
  static const std::vector<Tier> all = {
#if defined(__x86_64__)
#if defined(__linux__)
    amx_tier(),
#endif
    avx512_bf16_tier(),
    avx512_tier(),
    avx2_tier()
#elif defined(__aarch64__)
    neon_tier()
#endif
  };
  return all;
}

}  // namespace canal
