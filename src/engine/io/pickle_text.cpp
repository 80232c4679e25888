#include "engine/io/pickle_text.h"

#include "engine/io/format_error.h"

namespace canal::io {

namespace {

int hex_digit(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  throw FormatError("holds a damaged escape in a text");
}

uint32_t hex_number(std::string_view line, size_t start, size_t digits) {
  if (line.size() < digits || start > line.size() - digits) {
    throw FormatError("holds a truncated escape in a text");
  }
  uint32_t number = 0;
  for (size_t i = start; i < start + digits; ++i) {
    number = number * 16 + static_cast<uint32_t>(hex_digit(line[i]));
  }
  return number;
}

// Appends what stands for the escape letter at `at`; returns the characters it took.
size_t append_escape(std::string& out, std::string_view line, size_t at) {
  switch (line[at]) {
    case 'n': out += '\n'; return 1;
    case 't': out += '\t'; return 1;
    case 'r': out += '\r'; return 1;
    case '\\':
    case '\'':
    case '"': out += line[at]; return 1;
    case 'x': out += static_cast<char>(hex_number(line, at + 1, 2)); return 3;
    default: throw FormatError("holds an unknown escape in a text");
  }
}

}  // namespace

void append_utf8(std::string& out, uint32_t code_point) {
  const auto tail = [&](int shift) {
    out += static_cast<char>(0x80 | ((code_point >> shift) & 0x3f));
  };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xc0 | (code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xe0 | (code_point >> 12));
    tail(6);
    tail(0);
  } else if (code_point < 0x110000) {
    out += static_cast<char>(0xf0 | (code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  } else {
    throw FormatError("holds a character beyond Unicode");
  }
}

std::string unescape_unicode(std::string_view line) {
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool escape = line[i] == '\\' && i + 1 < line.size();
    if (escape && line[i + 1] == 'u') {
      append_utf8(out, hex_number(line, i + 2, 4));
      i += 5;
    } else if (escape && line[i + 1] == 'U') {
      append_utf8(out, hex_number(line, i + 2, 8));
      i += 9;
    } else {
      append_utf8(out, static_cast<uint8_t>(line[i]));
    }
  }
  return out;
}

std::string unescape_string(std::string_view line) {
  const bool quoted = line.size() >= 2 && (line.front() == '\'' || line.front() == '"') &&
                      line.back() == line.front();
  if (!quoted) throw FormatError("holds a text without its quotes");
  line = line.substr(1, line.size() - 2);
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      out += line[i];
    } else if (i + 1 < line.size()) {
      i += append_escape(out, line, i + 1);
    } else {
      throw FormatError("holds a truncated escape in a text");
    }
  }
  return out;
}

}  // namespace canal::io
