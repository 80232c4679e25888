// bfloat16: the upper half of a float32.
#pragma once
#include <cstdint>
#include <cstring>

namespace canal {

// To the nearest, ties to even; NaN stays NaN.
inline uint16_t to_bfloat16(float a) {
  uint32_t bits;
  std::memcpy(&bits, &a, sizeof bits);
  if (a != a) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float from_bfloat16(uint16_t a) {
  const uint32_t bits = static_cast<uint32_t>(a) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace canal
