// Plain arrays that cross the border between R and the engine.
//
// Nothing here, nor in any other header directly in src/engine, includes LibTorch or R: glue and
// tests compile against std types alone.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace canal {

// A dense float32 array, last dimension fastest (row-major).
struct FloatArray {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

// The weights of a network by their published names (those of scBERT's and CANAL's checkpoints),
// in the order of the checkpoint. Integer buffers are not weights and are left out.
using Weights = std::vector<std::pair<std::string, FloatArray>>;

// Returns the array called `name`, or nullptr.
const FloatArray* find(const Weights& weights, const std::string& name);

int64_t element_count(const std::vector<int64_t>& shape);

// Tokens of many cells: a view on cells x length bytes, a cell's tokens together. `length` is the
// network's N, or N - 1: then the closing token 0 of METHODS' sequence is added by the engine.
struct TokenView {
  const uint8_t* data;
  int64_t cells;
  int64_t length;
};

}  // namespace canal
