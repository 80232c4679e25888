#include "engine/io/decimal.h"

#include <charconv>
#include <clocale>
#include <cstdlib>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

namespace canal::io {

namespace {

locale_t c_locale() {
  static const locale_t locale = newlocale(LC_ALL_MASK, "C", static_cast<locale_t>(nullptr));
  return locale;
}

}  // namespace

// Not std::from_chars(), which libc++ has for integers only.
double read_decimal(const char* text, char** end) { return strtod_l(text, end, c_locale()); }

std::string write_decimal(double value, int digits) {
  char text[64];
  const auto result =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::general, digits);
  return std::string(text, result.ptr);
}

}  // namespace canal::io
