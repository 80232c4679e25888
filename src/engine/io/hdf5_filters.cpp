#include "engine/io/hdf5_filters.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "engine/io/hdf5_handle.h"

namespace canal::io {

namespace {

constexpr H5Z_filter_t lzf_filter = 32000;

// Its third value is the number of bytes of a chunk. Arrays of texts of variable length have no
// values, as HDF5 asks no filter about those; check_lzf() leaves here what it found.
constexpr size_t lzf_values = 3;
thread_local uint64_t chunk_of_texts = 0;

// HDF5 calls this: no exceptions, 0 for a failure. It reads a chunk to its end whatever a filter
// returns, so that no other size than a chunk's will do.
size_t read_lzf(unsigned flags, size_t count, const unsigned* values, size_t bytes, size_t* size,
                void** buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0;
  const uint64_t chunk = count >= lzf_values ? values[2] : chunk_of_texts;
  const auto* in = static_cast<const uint8_t*>(*buffer);
  const std::optional<size_t> out_size = lzf_size(in, bytes);
  if (!out_size || *out_size != chunk) return 0;
  void* out = H5allocate_memory(*out_size, false);
  if (out == nullptr) return 0;
  lzf_decompress(in, bytes, static_cast<uint8_t*>(out));
  H5free_memory(*buffer);
  *buffer = out;
  *size = *out_size;
  return *out_size;
}

// It says to write, too: who asks for that where it can be done without gets chunks as they are.
void add_lzf() {
  if (H5Zfilter_avail(lzf_filter) > 0) return;
  const H5Z_class2_t lzf = {H5Z_CLASS_T_VERS, lzf_filter, 1, 1, "lzf", nullptr, nullptr, read_lzf};
  check_hdf5(H5Zregister(&lzf), "is compressed by LZF, which cannot be added to HDF5");
}

struct Filter {
  H5Z_filter_t number;
  std::string name;
  std::vector<unsigned> values;
};

Filter filter_at(hid_t properties, unsigned at, const std::string& what) {
  unsigned flags = 0;
  unsigned config = 0;
  std::array<unsigned, 16> values{};
  size_t count = values.size();
  std::array<char, 64> name{};
  const H5Z_filter_t number = H5Pget_filter2(properties, at, &flags, &count, values.data(),
                                             name.size() - 1, name.data(), &config);
  check_hdf5(number, what);
  count = std::min(count, values.size());
  return {
      number, name.data(), {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count)}};
}

// The bytes that a value takes in the file. In memory a text of variable length is a pointer; there
// it is a length, an address and an index.
uint64_t stored_width(hid_t dataset, const std::string& what) {
  const Handle type(H5Dget_type(dataset), H5Tclose, what);
  if (H5Tis_variable_str(type) <= 0) return H5Tget_size(type);
  const Handle file(H5Iget_file_id(dataset), H5Fclose, what);
  const Handle properties(H5Fget_create_plist(file), H5Pclose, what);
  size_t address = 0;
  size_t extent = 0;
  check_hdf5(H5Pget_sizes(properties, &address, &extent), what);
  return 4 + address + 4;
}

// The bytes of a chunk, 0 where the array is in one piece.
uint64_t chunk_bytes(hid_t dataset, hid_t properties, const std::string& what) {
  if (H5Pget_layout(properties) != H5D_CHUNKED) return 0;
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  const int rank = H5Pget_chunk(properties, H5S_MAX_RANK, extents.data());
  check_hdf5(rank, what);
  return std::accumulate(extents.begin(), extents.begin() + rank, stored_width(dataset, what),
                         [](uint64_t product, hsize_t extent) { return product * extent; });
}

void check_lzf(const Filter& filter, uint64_t chunk, const std::string& place) {
  chunk_of_texts = chunk;
  if (filter.values.size() < lzf_values || filter.values[2] == chunk) return;
  throw FormatError("is damaged: the array '" + place +
                    "' is compressed in other chunks than it has");
}

// Filters are known by number; files have no name for those that their writer's HDF5 did not know.
std::string name_of(const Filter& filter) {
  constexpr std::array<std::pair<H5Z_filter_t, const char*>, 5> known{{{32001, "Blosc"},
                                                                       {32004, "LZ4"},
                                                                       {32008, "Bitshuffle"},
                                                                       {32015, "Zstandard"},
                                                                       {32026, "Blosc2"}}};
  for (const auto& [number, name] : known) {
    if (number == filter.number) return name;
  }
  return filter.name.empty() ? "a filter without a name" : "'" + filter.name + "'";
}

[[noreturn]] void fail_missing(const Filter& filter, const std::string& place) {
  throw FormatError("has an array '" + place + "' that is compressed by " + name_of(filter) +
                    " (number " + std::to_string(filter.number) +
                    "), a plugin that HDF5 has not here; write the file with gzip instead, in "
                    "Python by `import hdf5plugin` and write_h5ad(..., compression=\"gzip\")");
}

}  // namespace

void check_filters(hid_t dataset, const std::string& place) {
  const std::string what = "has an array '" + place + "' whose storage cannot be read";
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose, what);
  const int count = H5Pget_nfilters(properties);
  check_hdf5(count, what);
  for (int i = 0; i < count; ++i) {
    const Filter filter = filter_at(properties, static_cast<unsigned>(i), what);
    if (filter.number == lzf_filter) {
      check_lzf(filter, chunk_bytes(dataset, properties, what), place);
      add_lzf();
    }
    if (H5Zfilter_avail(filter.number) <= 0) fail_missing(filter, place);
  }
}

}  // namespace canal::io
