// What arrays of HDF5 declare, against what their file stores.
#pragma once
#include <hdf5.h>

#include <cstdint>
#include <string>

namespace canal::io {

// Deflate makes a thousand bytes of one at best, and no other filter more.
constexpr uint64_t best_compression = 1100;

// The number of an array's values. Throws FormatError where they, or one chunk of them, are more
// than what is stored of it can hold, or lie in another file. file_bytes: the size of the file.
uint64_t check_stored(hid_t dataset, uint64_t file_bytes, const std::string& place);

}  // namespace canal::io
