// Networks and cells so small that gradients can be looked at closely.
#pragma once
#include <cstdint>
#include <random>
#include <vector>

#include "engine/network.h"
#include "fixtures.h"

namespace canal_test {

// With a pre-training head, or with one for three types. Gains are not 1 and biases not 0, as they
// are where a network starts.
inline canal::Weights small_network(bool mlm_head, uint32_t seed) {
  const canal::NetworkSizes sizes =
      mlm_head ? canal::NetworkSizes{7, 13, 8, 3, 2, 4, 9, 16, 0, 0, 0, true}
               : canal::NetworkSizes{7, 13, 8, 3, 2, 4, 9, 16, 12, 6, 3, false};
  canal::Weights weights = canal::initial_weights(sizes, {1, 1, seed});
  std::mt19937 random(seed);
  for (auto& [name, array] : weights) {
    if (ends_with(name, "projection_matrix")) continue;
    for (float& value : array.values)
      value += 0.3f * (static_cast<float>(random() % 2001) / 1000 - 1);
  }
  return weights;
}

// cells x 12 genes, all kinds of tokens.
struct SmallCells {
  explicit SmallCells(int64_t cells) : bytes(cells * 12) {
    std::mt19937 random(1);
    for (uint8_t& token : bytes) token = static_cast<uint8_t>(random() % 6);
  }
  canal::TokenView view() const {
    return {bytes.data(), static_cast<int64_t>(bytes.size()) / 12, 12};
  }
  std::vector<uint8_t> bytes;
};

}  // namespace canal_test
