#include "engine/io/hdf5_bounds.h"

#include <algorithm>
#include <array>
#include <limits>

#include "engine/io/hdf5_handle.h"

namespace canal::io {

namespace {

// Values that were declared and never written are not stored. Few files have any, and small ones.
constexpr uint64_t always_allowed = uint64_t{1} << 22;
constexpr uint64_t usual_compression = 16;

uint64_t product(const hsize_t* extents, int rank) {
  uint64_t count = 1;
  for (int d = 0; d < rank; ++d) {
    if (extents[d] == 0) return 0;
    if (count > std::numeric_limits<uint64_t>::max() / extents[d]) {
      return std::numeric_limits<uint64_t>::max();
    }
    count *= extents[d];
  }
  return count;
}

uint64_t declared_values(hid_t dataset, const std::string& what) {
  const Handle space(H5Dget_space(dataset), H5Sclose, what);
  if (H5Sget_simple_extent_type(space) == H5S_NULL) return 0;
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  const int rank = H5Sget_simple_extent_dims(space, extents.data(), nullptr);
  check_hdf5(rank, what);
  return product(extents.data(), rank);
}

uint64_t values_of_chunk(hid_t properties, const std::string& what) {
  if (H5Pget_layout(properties) != H5D_CHUNKED) return 0;
  std::array<hsize_t, H5S_MAX_RANK> extents{};
  const int rank = H5Pget_chunk(properties, H5S_MAX_RANK, extents.data());
  check_hdf5(rank, what);
  return product(extents.data(), rank);
}

// An array may be put together from other files, or its bytes lie in one of any kind.
void check_own_bytes(hid_t properties, const std::string& place) {
  if (H5Pget_layout(properties) == H5D_VIRTUAL || H5Pget_external_count(properties) > 0) {
    throw FormatError("has an array '" + place +
                      "' whose values lie in another file; copy them into this one");
  }
}

// What is stored is asked for only where an array is far larger than its file, as HDF5 looks at
// every chunk of it.
uint64_t most_bytes(hid_t dataset, hid_t properties, uint64_t file_bytes) {
  const uint64_t stored = std::min<uint64_t>(H5Dget_storage_size(dataset), file_bytes);
  return always_allowed + stored * (H5Pget_nfilters(properties) > 0 ? best_compression : 1);
}

}  // namespace

uint64_t check_stored(hid_t dataset, uint64_t file_bytes, const std::string& place) {
  const std::string what = "has an array '" + place + "' that cannot be read";
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose, what);
  check_own_bytes(properties, place);
  const Handle type(H5Dget_type(dataset), H5Tclose, what);
  const size_t width = std::max<size_t>(1, H5Tget_size(type));
  const uint64_t declared = declared_values(dataset, what);
  const uint64_t largest = std::max(declared, values_of_chunk(properties, what));
  if (largest <= (always_allowed + file_bytes * usual_compression) / width) return declared;
  if (largest <= most_bytes(dataset, properties, file_bytes) / width) return declared;
  throw FormatError("declares " + std::to_string(largest) + " values in '" + place +
                    "', more than a file of " + std::to_string(file_bytes) + " bytes can hold");
}

}  // namespace canal::io
