// The escaped texts of pickle protocol 0.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace canal::io {

void append_utf8(std::string& out, uint32_t code_point);

// The line of a UNICODE opcode: Latin-1 with \uXXXX and \UXXXXXXXX, to UTF-8.
std::string unescape_unicode(std::string_view line);

// The line of a STRING opcode: a quoted Python 2 literal, to its bytes.
std::string unescape_string(std::string_view line);

}  // namespace canal::io
