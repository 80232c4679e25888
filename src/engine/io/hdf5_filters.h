// The filters that HDF5's arrays are compressed by. HDF5 brings deflate and szip; LZF, which h5py
// brings along and AnnData offers, is added here, in 60 lines, as no library has it alone. Others
// (Blosc, Zstandard, ...) are plugins.
#pragma once
#include <hdf5.h>

#include <cstdint>
#include <optional>
#include <string>

namespace canal::io {

// Throws FormatError where an array went through a filter that is not to be had, and names it.
void check_filters(hid_t dataset, const std::string& place);

// The number of bytes that LZF made `count` bytes of; nothing where they are damaged.
std::optional<size_t> lzf_size(const uint8_t* bytes, size_t count);

// Writes them. out: lzf_size() bytes, which has found the input to be whole.
void lzf_decompress(const uint8_t* bytes, size_t count, uint8_t* out);

}  // namespace canal::io
