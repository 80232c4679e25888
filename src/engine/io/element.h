// The number formats of tensors and arrays in files, converted by hand so that nothing depends on
// the machine's byte order or on a tensor library.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace canal::io {

enum class Element {
  boolean,
  int8,
  uint8,
  int16,
  uint16,
  int32,
  uint32,
  int64,
  uint64,
  float16,
  bfloat16,
  float32,
  float64
};

struct ElementType {
  Element element;
  bool big_endian;
};

size_t element_size(Element element);
bool is_real(Element element);

// The number at `at`, which must have element_size() bytes.
double load_number(ElementType type, const char* at);

// The same for integers and booleans; throws FormatError where an int64 cannot hold it.
int64_t load_integer(ElementType type, const char* at);

// numpy's description of a type, "<f8", "|b1" or "i4" (then little-endian); nothing where it is no
// plain number.
std::optional<ElementType> element_from_numpy(std::string_view description);

}  // namespace canal::io
