// Gradients against finite differences of the loss.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/array.h"

namespace canal_test {

inline double length(const canal::FloatArray& array) {
  double squares = 0;
  for (const float value : array.values) squares += static_cast<double>(value) * value;
  return std::sqrt(squares);
}

// The weights with one of them moved so far along a direction of its shape.
inline canal::Weights moved(canal::Weights weights, const std::string& name,
                            const canal::FloatArray& direction, double distance) {
  for (auto& [other, array] : weights) {
    if (other != name) continue;
    for (size_t i = 0; i < array.values.size(); ++i)
      array.values[i] += static_cast<float>(distance / length(direction) * direction.values[i]);
  }
  return weights;
}

// Along its own gradient a loss has the gradient's length as slope: of every weight, so that one
// that is wrong anywhere shows. Steps change the loss by so much: more than float32 rounds it by,
// and no more, as relu's bends between the two ends count by half (a change of 4e-3 met 4 % of
// them).
template <class Loss>
void expect_slopes(const canal::Weights& weights, const canal::Weights& gradients, const Loss& loss,
                   double change = 1e-4, double tolerance = 0.05, double least = 1e-4) {
  ASSERT_FALSE(gradients.empty());
  for (const auto& [name, gradient] : gradients) {
    const double expected = length(gradient);
    const double step = std::min(0.05, change / std::max(expected, 1e-12));
    const double slope =
        (loss(moved(weights, name, gradient, step)) - loss(moved(weights, name, gradient, -step))) /
        (2 * step);
    if (expected > 0) {
      EXPECT_NEAR(slope, expected, tolerance * expected + least) << name;
    }
  }
}

}  // namespace canal_test
