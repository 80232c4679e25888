#include "engine/array.h"

#include <limits>

#include "engine/errors.h"

namespace canal {

const FloatArray* find(const Weights& weights, const std::string& name) {
  for (const auto& entry : weights) {
    if (entry.first == name) return &entry.second;
  }
  return nullptr;
}

int64_t element_count(const std::vector<int64_t>& shape) {
  for (const int64_t extent : shape) {
    if (extent < 0) {
      throw Error(ErrorKind::sizes,
                  "An array's extents must not be negative; got " + std::to_string(extent) + ".");
    }
  }
  int64_t count = 1;
  for (const int64_t extent : shape) {
    if (extent == 0) return 0;
  }
  for (const int64_t extent : shape) {
    if (count > std::numeric_limits<int64_t>::max() / extent) {
      throw Error(ErrorKind::sizes, "An array's extents multiply to more than 2^63 - 1 elements.");
    }
    count *= extent;
  }
  return count;
}

}  // namespace canal
