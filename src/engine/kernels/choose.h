#pragma once
#include "engine/compute.h"
#include "engine/kernels/kernel.h"

namespace canal {

// The tier for `compute`; null where LibTorch's operators are to be used.
const Tier* choose_tier(const Compute& compute);

}  // namespace canal
