#pragma once
#include <vector>

#include "engine/kernels/kernel.h"

namespace canal_test {

// Tiers that no CPU need have.
std::vector<canal::Tier> emulated_tiers();

}  // namespace canal_test
