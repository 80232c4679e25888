// The example bank (METHODS sections 4 and 9).
#pragma once
#include <cstdint>
#include <vector>

#include "engine/array.h"

namespace canal {

struct BankEntry {
  int32_t type;   // 0-based
  int32_t rank;   // from 1, within its type and stage
  int32_t stage;  // from 1
};

// Ranks cells within their type by the inner product of embedding (cells x W) and the type's own
// row of `prototypes` (K x W), largest first; equal ones in their order. Returns a rank per cell.
std::vector<int32_t> prototype_ranks(const FloatArray& embedding, const FloatArray& prototypes,
                                     const std::vector<int32_t>& type);

// The entries that stay when `size` cells are shared by `types` types: floor(size / types) per
// type, best rank first, the older stage first among equals. Returns their indices, ascending by
// (type, rank, stage).
std::vector<int64_t> trim_bank(const std::vector<BankEntry>& entries, int64_t size, int64_t types);

}  // namespace canal
