#pragma once
#include "engine/compute.h"
#include "engine/kernels/kernel.h"

namespace canal {

// The tier for `compute`; null where LibTorch's operators are to be used.
const Tier* choose_tier(const Compute& compute);

// Whether products are of bfloat16 numbers, by a tier or by LibTorch's operators.
bool reduces_products(const Compute& compute);

}  // namespace canal
