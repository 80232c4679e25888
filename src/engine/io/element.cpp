#include "engine/io/element.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "engine/io/bytes.h"

namespace canal::io {

namespace {

template <class Float, class Bits>
double float_from_bits(uint64_t bits) {
  static_assert(sizeof(Float) == sizeof(Bits), "a float and its bits have one size");
  const Bits narrow = static_cast<Bits>(bits);
  Float value;
  std::memcpy(&value, &narrow, sizeof(value));
  return value;
}

// IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction.
double half_from_bits(uint64_t bits) {
  const int exponent = static_cast<int>((bits >> 10) & 0x1f);
  const double fraction = static_cast<double>(bits & 0x3ff);
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  if (exponent < 31) return sign * std::ldexp(fraction + 1024, exponent - 25);
  if (fraction == 0) return sign * std::numeric_limits<double>::infinity();
  return std::numeric_limits<double>::quiet_NaN();
}

// Spreads the sign bit of a narrow two's complement number.
int64_t signed_from_bits(uint64_t bits, size_t size) {
  switch (size) {
    case 1: return static_cast<int8_t>(bits);
    case 2: return static_cast<int16_t>(bits);
    case 4: return static_cast<int32_t>(bits);
    default: return static_cast<int64_t>(bits);
  }
}

bool is_signed(Element element) {
  return element == Element::int8 || element == Element::int16 || element == Element::int32 ||
         element == Element::int64;
}

std::optional<Element> element_of(char letter, char size) {
  switch (letter) {
    case 'b':
      if (size == '1') return Element::boolean;
      break;
    case 'f':
      if (size == '2') return Element::float16;
      if (size == '4') return Element::float32;
      if (size == '8') return Element::float64;
      break;
    case 'i':
      if (size == '1') return Element::int8;
      if (size == '2') return Element::int16;
      if (size == '4') return Element::int32;
      if (size == '8') return Element::int64;
      break;
    case 'u':
      if (size == '1') return Element::uint8;
      if (size == '2') return Element::uint16;
      if (size == '4') return Element::uint32;
      if (size == '8') return Element::uint64;
      break;
    default: break;
  }
  return std::nullopt;
}

}  // namespace

size_t element_size(Element element) {
  switch (element) {
    case Element::boolean:
    case Element::int8:
    case Element::uint8: return 1;
    case Element::int16:
    case Element::uint16:
    case Element::float16:
    case Element::bfloat16: return 2;
    case Element::int32:
    case Element::uint32:
    case Element::float32: return 4;
    default: return 8;
  }
}

bool is_real(Element element) {
  return element == Element::float16 || element == Element::bfloat16 ||
         element == Element::float32 || element == Element::float64;
}

double load_number(ElementType type, const char* at) {
  const size_t size = element_size(type.element);
  const uint64_t bits = load_bits(at, size, type.big_endian);
  switch (type.element) {
    case Element::float16: return half_from_bits(bits);
    case Element::bfloat16: return float_from_bits<float, uint32_t>(bits << 16);
    case Element::float32: return float_from_bits<float, uint32_t>(bits);
    case Element::float64: return float_from_bits<double, uint64_t>(bits);
    case Element::boolean: return bits != 0 ? 1 : 0;
    default: break;
  }
  if (is_signed(type.element)) return static_cast<double>(signed_from_bits(bits, size));
  return static_cast<double>(bits);
}

int64_t load_integer(ElementType type, const char* at) {
  if (is_real(type.element)) throw FormatError("holds real numbers where integers are expected");
  const size_t size = element_size(type.element);
  const uint64_t bits = load_bits(at, size, type.big_endian);
  if (type.element == Element::boolean) return bits != 0 ? 1 : 0;
  if (is_signed(type.element)) return signed_from_bits(bits, size);
  if (bits > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    throw FormatError("holds the integer " + std::to_string(bits) + ", over 2^63 - 1");
  }
  return static_cast<int64_t>(bits);
}

std::optional<ElementType> element_from_numpy(std::string_view description) {
  bool big_endian = false;
  if (description.size() == 3) {
    const char order = description[0];
    if (order != '<' && order != '>' && order != '|' && order != '=') return std::nullopt;
    big_endian = order == '>';
    description.remove_prefix(1);
  }
  if (description.size() != 2) return std::nullopt;
  const std::optional<Element> element = element_of(description[0], description[1]);
  if (!element) return std::nullopt;
  return ElementType{*element, big_endian};
}

}  // namespace canal::io
