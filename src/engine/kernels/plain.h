// What the templates need of others, and what is the same in all tiers. Included before a tier's
// target region: see target.h.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "engine/kernels/bfloat16.h"
#include "engine/kernels/buffer.h"
#include "engine/kernels/kernel.h"
#include "engine/kernels/operands.h"
#include "engine/kernels/target.h"
#include "engine/kernels/tier_list.h"

namespace canal {

inline constexpr double log2_e = 1.4426950408889634;

// E^(-1/4), by which queries and keys are scaled.
inline double head_scale(const LayerSizes& s) {
  return std::pow(static_cast<double>(s.head_width), -0.25);
}

inline std::vector<float> copy_of(const float* values, int64_t count) {
  return std::vector<float>(values, values + count);
}

// The row-major matrix at `data`, or its transpose, times `factor`.
struct Matrix {
  const float* data;
  int64_t row_stride, column_stride;
  float factor;
  float operator()(int64_t row, int64_t column) const {
    return data[row * row_stride + column * column_stride] * factor;
  }
};
inline Matrix matrix(const float* data, int64_t columns, float factor = 1.0f) {
  return {data, columns, 1, factor};
}
inline Matrix transpose(const float* data, int64_t columns, float factor = 1.0f) {
  return {data, 1, columns, factor};
}

}  // namespace canal
