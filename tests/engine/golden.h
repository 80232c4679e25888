// Golden arrays as what the engine takes.
#pragma once
#include <string>

#include "engine/array.h"
#include "engine/checkpoint.h"
#include "engine/errors.h"
#include "engine/tree.h"
#include "fixtures.h"

namespace canal_test {

inline canal::Tree golden(const std::string& place) {
  return canal::read_tree(golden_path("reference.h5"), place);
}

inline canal::FloatArray floats(const canal::Tree& tree) {
  if (tree.kind == canal::Tree::Kind::float64)
    return {tree.shape, std::vector<float>(tree.float64.begin(), tree.float64.end())};
  return {tree.shape, tree.float32};
}

inline double number(const canal::Tree& tree) {
  return tree.kind == canal::Tree::Kind::float32 ? tree.float32.at(0) : tree.float64.at(0);
}

inline canal::Weights golden_weights(const std::string& name) {
  return canal::read_checkpoint(golden_path(name)).weights;
}

// Tokens of the golden cells, cells x N.
struct GoldenTokens {
  explicit GoldenTokens(const std::string& place) {
    const canal::Tree tree = golden(place);
    shape = tree.shape;
    bytes.assign(tree.int32.begin(), tree.int32.end());
  }
  canal::TokenView view() const { return {bytes.data(), shape[0], shape[1]}; }
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;
};

}  // namespace canal_test
