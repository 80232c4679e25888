#include "engine/digest.h"

#include <cinttypes>
#include <cstdio>

namespace canal {

std::string Digest::text() const {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016" PRIx64, hash_);
  return digits;
}

}  // namespace canal
