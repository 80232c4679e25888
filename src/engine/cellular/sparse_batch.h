// A mini-batch of cells, sparse as it comes. Letters as in engine/cellular.h.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "engine/cellular/sparse_rows.h"
#include "engine/prepare.h"

namespace canal {

// The cells as the first norm sees them, before its gain and bias: (x - mean) / sd of a cell's
// values is x / sd, zero where x is, less a shift that is one number for the cell.
struct SparseBatch {
  int64_t genes;
  OwnedRows by_cell;         // B x G, x / sd
  std::vector<float> shift;  // B, mean / sd
};

SparseBatch sparse_batch(const SparseCells& values, const std::vector<int64_t>& cells);

// B x G, float32.
at::Tensor dense_batch(const SparseCells& values, const std::vector<int64_t>& cells);

}  // namespace canal
