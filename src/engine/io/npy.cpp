// numpy's .npy format: a magic number, a header that is a Python dict, the numbers.
#include <algorithm>
#include <cctype>

#include "engine/checkpoint.h"
#include "engine/io/bytes.h"
#include "engine/io/element.h"

namespace canal {

namespace {

using namespace io;

struct NpyHeader {
  ElementType type;
  bool column_major;
  std::vector<int64_t> shape;
};

// What follows `'key':` in the header, up to the end.
std::string_view header_value(std::string_view header, const std::string& key) {
  const std::string quoted = "'" + key + "':";
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos) throw FormatError("is damaged: its header has no " + quoted);
  header.remove_prefix(at + quoted.size());
  return header.substr(std::min(header.find_first_not_of(' '), header.size()));
}

ElementType header_type(std::string_view header) {
  const std::string_view value = header_value(header, "descr");
  const size_t end = value.find('\'', 1);
  if (!value.empty() && value[0] == '\'' && end != std::string_view::npos) {
    const std::string_view description = value.substr(1, end - 1);
    if (const auto type = element_from_numpy(description)) return *type;
  }
  throw FormatError("holds no plain numbers: its type reads " + std::string(value.substr(0, 40)));
}

std::vector<int64_t> header_shape(std::string_view header) {
  const std::string_view value = header_value(header, "shape");
  const size_t end = value.find(')');
  if (value.empty() || value[0] != '(' || end == std::string_view::npos) {
    throw FormatError("is damaged: its shape is no tuple");
  }
  std::vector<int64_t> shape;
  bool in_number = false;
  for (const char letter : value.substr(1, end - 1)) {
    const bool digit = std::isdigit(static_cast<unsigned char>(letter)) != 0;
    if (!digit && letter != ',' && letter != ' ') throw FormatError("is damaged: its shape");
    if (digit && !in_number) shape.push_back(0);
    if (digit) {
      if (shape.back() > INT64_MAX / 10 - 1)
        throw FormatError("is damaged: its shape is too large");
      shape.back() = shape.back() * 10 + (letter - '0');
    }
    in_number = digit;
  }
  return shape;
}

NpyHeader read_header(ByteReader& in) {
  if (in.remaining() < 8 || in.take(6, "the magic number") != "\x93NUMPY") {
    throw FormatError("is no .npy file");
  }
  const auto version = in.little<uint8_t>("the version");
  in.take(1, "the version");
  const uint64_t size = version == 1 ? in.little<uint16_t>("the header's size")
                                     : in.little<uint32_t>("the header's size");
  const std::string_view header = in.take(size, "the header");
  const std::string_view order = header_value(header, "fortran_order");
  return {header_type(header), order.substr(0, 4) == "True", header_shape(header)};
}

FloatArray parse_npy(std::string_view bytes) {
  ByteReader in(bytes);
  const NpyHeader header = read_header(in);
  if (header.shape.size() != 2) {
    throw FormatError("holds an array of " + std::to_string(header.shape.size()) +
                      " dimensions, where a table (rows x columns) is expected");
  }
  const int64_t rows = header.shape[0];
  const int64_t columns = header.shape[1];
  const auto width = static_cast<int64_t>(element_size(header.type.element));
  const auto held = static_cast<int64_t>(in.remaining()) / width;
  // Rows without columns could be as many as somebody likes.
  if (rows == 0 || columns == 0) {
    throw FormatError("holds an empty table, " + std::to_string(rows) + " x " +
                      std::to_string(columns));
  }
  if (columns > held / rows) {
    throw FormatError("is truncated: it should hold " + std::to_string(rows) + " x " +
                      std::to_string(columns) + " numbers and has " + std::to_string(held));
  }
  const char* data = in.take(static_cast<uint64_t>(rows * columns * width), "the numbers").data();
  FloatArray table{header.shape, std::vector<float>(static_cast<size_t>(rows * columns))};
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      const int64_t at = header.column_major ? column * rows + row : row * columns + column;
      table.values[static_cast<size_t>(row * columns + column)] =
          static_cast<float>(load_number(header.type, data + at * width));
    }
  }
  return table;
}

}  // namespace

FloatArray read_npy(const std::string& path) {
  const std::string bytes = io::read_whole_file(path);
  return io::with_path(path, [&] { return parse_npy(bytes); });
}

}  // namespace canal
