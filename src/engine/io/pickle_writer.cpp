#include "engine/io/pickle_writer.h"

#include <limits>

#include "engine/array.h"
#include "engine/io/format_error.h"
#include "engine/io/little_endian.h"

namespace canal::io {

void PickleWriter::global(const char* module, const char* name) {
  out_ += std::string("c") + module + "\n" + name + "\n";
}

void PickleWriter::begin_ordered_dict() {
  global("collections", "OrderedDict");
  out_ += ")R(";
}

void PickleWriter::text(std::string_view value) {
  if (value.size() > std::numeric_limits<uint32_t>::max()) {
    throw FormatError("cannot be written: a text of it is too long");
  }
  out_ += "X" + little_endian(value.size(), 4);
  out_ += value;
}

void PickleWriter::integer(int64_t value) {
  const bool narrow =
      value >= std::numeric_limits<int32_t>::min() && value <= std::numeric_limits<int32_t>::max();
  const auto bits = static_cast<uint64_t>(value);
  out_ += narrow ? "J" + little_endian(bits, 4) : "\x8a\x08" + little_endian(bits, 8);
}

void PickleWriter::texts(const std::vector<std::string>& values) {
  out_ += "](";
  for (const std::string& value : values) text(value);
  out_ += "e";
}

void PickleWriter::integers(const std::vector<int64_t>& values) {
  out_ += "(";
  for (const int64_t value : values) integer(value);
  out_ += "t";
}

void PickleWriter::tensor(const char* type, const std::string& key,
                          const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  global("torch._utils", "_rebuild_tensor_v2");
  out_ += "((";
  text("storage");
  global("torch", type);
  text(key);
  text("cpu");
  integer(element_count(shape));
  out_ += "tQ";
  integer(0);  // where in the storage it begins
  integers(shape);
  integers(strides);
  out_ += "\x89";  // needs no gradient
  global("collections", "OrderedDict");
  out_ += ")RtR";
}

}  // namespace canal::io
