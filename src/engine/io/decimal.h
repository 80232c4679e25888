// Numbers as files write them: with a point, whatever the session's locale takes for one.
#pragma once
#include <string>

namespace canal::io {

// As strtod() in the C locale: from the first character of `text` on. `end`: that after the number.
double read_decimal(const char* text, char** end);

// As printf's %.*g in the C locale.
std::string write_decimal(double value, int digits);

}  // namespace canal::io
