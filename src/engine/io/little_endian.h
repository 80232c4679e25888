// Numbers as the little-endian bytes that files hold, on any machine.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace canal::io {

inline std::string little_endian(uint64_t value, size_t bytes) {
  std::string out;
  for (; bytes > 0; --bytes, value >>= 8) out += static_cast<char>(value & 0xff);
  return out;
}

inline std::string float32_bytes(const std::vector<float>& values) {
  std::string out(values.size() * 4, '\0');
  for (size_t i = 0; i < values.size(); ++i) {
    uint32_t bits;
    std::memcpy(&bits, &values[i], sizeof(bits));
    for (size_t byte = 0; byte < 4; ++byte) {
      out[4 * i + byte] = static_cast<char>((bits >> (8 * byte)) & 0xff);
    }
  }
  return out;
}

}  // namespace canal::io
