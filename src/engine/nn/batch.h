// Cells in and out of tensors.
#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/array.h"

namespace canal {

// The chosen cells as B x N int64 tokens, the closing token 0 added where the view lacks it. Throws
// where the length fits no network of `positions` positions, or a token is not below `kinds`.
at::Tensor token_batch(const TokenView& tokens, const std::vector<int64_t>& cells,
                       int64_t positions, int64_t kinds);

// first, first + 1, ..., at most `count` of them and below `end`.
std::vector<int64_t> cell_range(int64_t first, int64_t count, int64_t end);

}  // namespace canal
