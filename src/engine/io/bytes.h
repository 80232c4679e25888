// Reading from bytes that may end at any point and claim anything about themselves.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/io/format_error.h"

namespace canal::io {

// Reads a whole file. Throws Error(file) where that cannot be done.
std::string read_whole_file(const std::string& path);

// R's texts have no place for a zero byte, and no name has one. Throws FormatError.
void refuse_zero_bytes(const std::vector<std::string>& texts);

// The `size` (at most 8) bytes at `at` as an unsigned number.
inline uint64_t load_bits(const char* at, size_t size, bool big_endian) {
  uint64_t bits = 0;
  for (size_t i = 0; i < size; ++i) {
    const size_t place = big_endian ? i : size - 1 - i;
    bits = (bits << 8) | static_cast<uint8_t>(at[place]);
  }
  return bits;
}

template <class Integer>
Integer load_little(const char* at) {
  static_assert(std::is_integral_v<Integer>, "floats have formats of their own");
  return static_cast<Integer>(load_bits(at, sizeof(Integer), false));
}

// A cursor that refuses to pass the end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes, size_t start = 0) : bytes_(bytes), at_(start) {}

  size_t position() const { return at_; }
  size_t remaining() const { return bytes_.size() - at_; }

  std::string_view take(uint64_t count, const char* what) {
    if (count > remaining()) fail(count, what);
    const std::string_view part = bytes_.substr(at_, static_cast<size_t>(count));
    at_ += static_cast<size_t>(count);
    return part;
  }

  template <class Integer>
  Integer little(const char* what) {
    return load_little<Integer>(take(sizeof(Integer), what).data());
  }

  // Up to the next line feed, which is passed over.
  std::string_view line(const char* what) {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail(remaining() + 1, what);
    const std::string_view part = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return part;
  }

 private:
  [[noreturn]] void fail(uint64_t count, const char* what) const {
    throw FormatError("is truncated or damaged: " + std::string(what) + " at byte " +
                      std::to_string(at_) + " needs " + std::to_string(count) + " bytes, and " +
                      std::to_string(remaining()) + " are left");
  }

  std::string_view bytes_;
  size_t at_;
};

}  // namespace canal::io
