// What stands before the HDF5 part of the files that canalR writes, in HDF5's user block: a line of
// text, filled up with zeros to 512 bytes, that tells how many bytes follow and their digest.
//
//   canalR checksum 1: 882432 bytes, FNV-1a 1f0c2a5e9b7d3348
//
// HDF5's own programs pass over it. It is looked at before HDF5 sees the file, as damage to what
// HDF5 keeps its books in can end the process there.
#pragma once
#include <cstddef>
#include <string>

namespace canal::io {

constexpr size_t checksum_block_size = 512;

// The block for the bytes that follow it.
std::string checksum_block(const std::string& bytes);

// Throws FormatError for a file that begins with such a block and does not hold what it says. A
// file that begins otherwise, an older canalR's or another program's, is as it is.
void check_checksum_block(const std::string& path);

}  // namespace canal::io
