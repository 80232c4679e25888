// The tiers, each in a file of its own because each is compiled for instructions of its own. The
// preprocessor knows only the family of CPUs; what this very CPU has is asked at run time.
#pragma once
#include "engine/kernels/kernel.h"

namespace canal {

#if defined(__x86_64__)
Tier avx2_tier();
Tier avx512_tier();
Tier avx512_bf16_tier();
#if defined(__linux__)
Tier amx_tier();
#endif
#elif defined(__aarch64__)
Tier neon_tier();
#endif

}  // namespace canal
