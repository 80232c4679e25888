// Puts right the checksums of a zip file's entries, as far as its directory can be followed.
#pragma once
#include <cstddef>

namespace canal_fuzz {

void mend_checksums(char* bytes, size_t size);

}  // namespace canal_fuzz
