// Column means of the attention map, without the map.
#pragma once
#include <ATen/core/Tensor.h>

#include "engine/control.h"
#include "engine/importance.h"
#include "engine/nn/parameters.h"

namespace canal {

// One cell. tokens: 1 x N, int64. Returns N shares that sum to 1.
at::Tensor attention_share(const Parameters& parameters, const at::Tensor& tokens, AttentionMap map,
                           const Control& control);

}  // namespace canal
