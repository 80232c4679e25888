// A number that other bytes would change: FNV-1a, 64 bits. Any one changed byte changes it for
// certain, other damage but for one case in 2^64. No protection against intent.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace canal {

class Digest {
 public:
  // Bytes in parts are digested as in one.
  void add(const void* bytes, size_t count) {
    const auto* at = static_cast<const uint8_t*>(bytes);
    uint64_t hash = hash_;
    for (size_t i = 0; i < count; ++i) hash = (hash ^ at[i]) * 0x100000001b3u;
    hash_ = hash;
  }
  // 16 hexadecimal digits.
  std::string text() const;

 private:
  uint64_t hash_ = 0xcbf29ce484222325u;
};

}  // namespace canal
