// How far apart arrays are.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/array.h"

namespace canal_test {

// Largest absolute difference; the shapes must be equal.
inline double largest_difference(const canal::FloatArray& a, const canal::FloatArray& b) {
  EXPECT_EQ(a.shape, b.shape);
  if (a.values.size() != b.values.size() || a.values.empty()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    const double d = std::abs(static_cast<double>(a.values[i]) - b.values[i]);
    worst = std::isnan(d) ? INFINITY : std::max(worst, d);
  }
  return worst;
}

// |a - b| / |b| over the whole array (Euclidean).
inline double relative_difference(const canal::FloatArray& a, const canal::FloatArray& b) {
  EXPECT_EQ(a.shape, b.shape);
  if (a.values.size() != b.values.size()) return INFINITY;
  double off = 0, size = 0;
  for (size_t i = 0; i < a.values.size(); ++i) {
    off += std::pow(static_cast<double>(a.values[i]) - b.values[i], 2);
    size += std::pow(static_cast<double>(b.values[i]), 2);
  }
  return std::sqrt(off / size);
}

}  // namespace canal_test
