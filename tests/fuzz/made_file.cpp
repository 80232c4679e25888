#include "made_file.h"

#include <algorithm>
#include <array>
#include <functional>
#include <vector>

#include "engine/io/hdf5_handle.h"
#include "sound_files.h"

namespace canal_fuzz {

namespace {

using canal::io::FormatError;
using canal::io::Handle;
using canal::io::QuietHdf5;

// Hands out the program's bytes; zeros after its end.
class Steps {
 public:
  explicit Steps(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return at_ >= bytes_.size(); }
  unsigned byte() { return done() ? 0 : static_cast<uint8_t>(bytes_[at_++]); }
  template <class Choices>
  auto one_of(const Choices& choices) -> decltype(choices[0]) {
    return choices[byte() % choices.size()];
  }
  std::string some(size_t count) {
    std::string out;
    while (out.size() < count && !done()) out += static_cast<char>(byte());
    return out;
  }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

constexpr std::array<const char*, 48> places{{"X",
                                              "X/data",
                                              "X/indices",
                                              "X/indptr",
                                              "obs",
                                              "obs/_index",
                                              "obs/index",
                                              "obs/a",
                                              "obs/b",
                                              "obs/b/codes",
                                              "obs/b/categories",
                                              "obs/b/values",
                                              "obs/b/mask",
                                              "obs/__categories",
                                              "obs/__categories/a",
                                              "obs/b/categories/values",
                                              "var",
                                              "var/_index",
                                              "raw",
                                              "raw/X",
                                              "raw/X/data",
                                              "raw/X/indices",
                                              "raw/X/indptr",
                                              "raw/var",
                                              "raw/var/_index",
                                              "layers",
                                              "layers/l",
                                              "layers/l/data",
                                              "layers/l/indices",
                                              "layers/l/indptr",
                                              "matrix",
                                              "matrix/barcodes",
                                              "matrix/data",
                                              "matrix/indices",
                                              "matrix/indptr",
                                              "matrix/shape",
                                              "matrix/features",
                                              "matrix/features/id",
                                              "matrix/features/name",
                                              "matrix/features/feature_type",
                                              "matrix/genes",
                                              "matrix/gene_names",
                                              "weights",
                                              "weights/w",
                                              "weights/v",
                                              "other",
                                              "other/deep",
                                              "/"}};

constexpr std::array<const char*, 9> attributes{{"encoding-type", "shape", "h5sparse_format",
                                                 "h5sparse_shape", "_index", "column-order",
                                                 "encoding-version", "categories", "a"}};

// 2^17 values that are not stored are believed, and read in no time; the larger ones are refused.
constexpr std::array<hsize_t, 16> extents{{0, 1, 2, 3, 4, 5, 6, 7, 12, 64, 1000, hsize_t{1} << 17,
                                           hsize_t{1} << 26, (hsize_t{1} << 31) - 1,
                                           hsize_t{1} << 40, hsize_t{1} << 62}};

constexpr std::array<const char*, 6> texts{
    {"csr_matrix", "csc_matrix", "array", "categorical", "a", "obs/../b"}};

Handle own(hid_t id, Handle::Close close) { return Handle(id, close, "cannot be made"); }

Handle copied(hid_t type) { return own(H5Tcopy(type), H5Tclose); }

Handle text_of_size(size_t size, H5T_str_t padding) {
  Handle type = copied(H5T_C_S1);
  H5Tset_size(type, size);
  H5Tset_strpad(type, padding);
  return type;
}

Handle enumeration(bool boolean) {
  Handle type = own(H5Tenum_create(H5T_STD_I8LE), H5Tclose);
  const std::array<int8_t, 3> values{{0, 1, 2}};
  H5Tenum_insert(type, "FALSE", &values[0]);
  H5Tenum_insert(type, boolean ? "TRUE" : "PERHAPS", &values[1]);
  return type;
}

Handle compound() {
  Handle type = own(H5Tcreate(H5T_COMPOUND, 16), H5Tclose);
  H5Tinsert(type, "index", 0, H5T_STD_I64LE);
  H5Tinsert(type, "value", 8, H5T_IEEE_F64LE);
  return type;
}

Handle sized(hid_t type, size_t size) {
  Handle copy = copied(type);
  H5Tset_size(copy, size);
  return copy;
}

Handle type_of(Steps& steps) {
  constexpr hsize_t pair[] = {2};
  switch (steps.byte() % 24) {
    case 0: return copied(H5T_STD_I32LE);
    case 1: return copied(H5T_STD_I64LE);
    case 2: return copied(H5T_IEEE_F32LE);
    case 3: return copied(H5T_IEEE_F64LE);
    case 4: return copied(H5T_STD_U8LE);
    case 5: return copied(H5T_STD_I8BE);
    case 6: return copied(H5T_STD_U16BE);
    case 7: return copied(H5T_STD_U32LE);
    case 8: return copied(H5T_STD_U64BE);
    case 9: return text_of_size(H5T_VARIABLE, H5T_STR_NULLTERM);
    case 10: return text_of_size(1 + steps.byte() % 8, H5T_STR_NULLPAD);
    case 11: return text_of_size(1, H5T_STR_SPACEPAD);
    case 12: return text_of_size(size_t{1} << (steps.byte() % 32), H5T_STR_NULLTERM);
    case 13: return enumeration(true);
    case 14: return enumeration(false);
    case 15: return compound();
    case 16: return copied(H5T_STD_REF_OBJ);
    case 17: return own(H5Tcreate(H5T_OPAQUE, 1 + steps.byte() % 32), H5Tclose);
    case 18: return copied(H5T_STD_B32LE);
    case 19: return own(H5Tarray_create2(H5T_STD_I32LE, 1, pair), H5Tclose);
    case 20: return own(H5Tvlen_create(H5T_STD_I32LE), H5Tclose);
    case 21: return sized(H5T_STD_I64LE, 1 + steps.byte() % 32);
    case 22: return copied(H5T_UNIX_D32LE);
    default: return sized(H5T_IEEE_F64LE, 9 + steps.byte() % 8);
  }
}

struct Space {
  Handle handle;
  std::vector<hsize_t> shape;
};

Space space_of(Steps& steps) {
  const unsigned kind = steps.byte() % 16;
  if (kind == 0) return {own(H5Screate(H5S_NULL), H5Sclose), {}};
  if (kind == 1) return {own(H5Screate(H5S_SCALAR), H5Sclose), {}};
  const size_t rank = kind < 10 ? 1 : kind < 14 ? 2 : kind == 14 ? 3 : 32;
  std::vector<hsize_t> shape;
  for (size_t d = 0; d < rank; ++d) shape.push_back(steps.one_of(extents));
  Handle handle = own(H5Screate_simple(static_cast<int>(rank), shape.data(), nullptr), H5Sclose);
  return {std::move(handle), shape};
}

// How an array lies in its file: filters are what HDF5 has, LZF and one that nobody has.
Handle layout_of(Steps& steps, const Space& space, hid_t type, bool& raw_chunk) {
  Handle layout = own(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const unsigned kind = steps.byte() % 12;
  if (kind < 4) return layout;
  if (kind == 4) {
    H5Pset_layout(layout, H5D_COMPACT);
    return layout;
  }
  if (kind == 5) {
    H5Pset_external(layout, "/proc/self/status", 0, H5F_UNLIMITED);
    return layout;
  }
  std::vector<hsize_t> chunk;
  for (const hsize_t extent : space.shape) {
    chunk.push_back(std::max<hsize_t>(1, std::min<hsize_t>(extent, 1 + steps.byte())));
  }
  if (chunk.empty()) return layout;
  H5Pset_chunk(layout, static_cast<int>(chunk.size()), chunk.data());
  // All that is there from the start is written, chunk by chunk.
  hsize_t values = 1;
  for (const hsize_t extent : space.shape) values *= std::min<hsize_t>(extent, 1 << 13);
  const bool small = values > 0 && values <= 4096;
  const std::array<unsigned, 3> lzf{{4, 261, 1 + steps.byte()}};
  // HDF5 itself fails on a chunk that is written before anything else is, and fills it with values,
  // which may be texts of a gigabyte each.
  raw_chunk = kind >= 9 && small && space.shape.size() <= 3 && H5Tget_size(type) <= 64;
  if (raw_chunk) H5Pset_alloc_time(layout, H5D_ALLOC_TIME_EARLY);
  if (kind == 7 || kind == 9) H5Pset_deflate(layout, 1);
  if (kind == 8) H5Pset_shuffle(layout);
  if (kind == 10) H5Pset_filter(layout, 32000, H5Z_FLAG_OPTIONAL, lzf.size(), lzf.data());
  if (kind == 11) H5Pset_filter(layout, 32001, H5Z_FLAG_OPTIONAL, 0, nullptr);
  return layout;
}

// Values for `count` elements in memory. Whole numbers that ascend are what matrices need.
void write_values(Steps& steps, hid_t type, size_t count, bool variable,
                  const std::function<void(const void*)>& write) {
  if (variable) {
    static const char* text = nullptr;
    std::vector<const char*> values;
    for (size_t i = 0; i < count; ++i) {
      text = steps.byte() % 8 == 0 ? nullptr : steps.one_of(texts);
      values.push_back(text);
    }
    write(values.data());
    return;
  }
  const size_t width = H5Tget_size(type);
  if (width > 64) return;
  std::string bytes(count * width, '\0');
  const unsigned kind = steps.byte() % 3;
  for (size_t i = 0; i < count; ++i) {
    bytes[i * width] = static_cast<char>(kind == 0 ? i % 4 : kind == 1 ? 0 : steps.byte());
    if (kind == 2 && steps.byte() % 8 == 0) bytes[i * width + width - 1] = '\xff';
  }
  write(bytes.data());
}

bool is_variable(hid_t type) { return H5Tis_variable_str(type) > 0; }

bool can_be_given(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  return kind != H5T_VLEN && kind != H5T_REFERENCE;
}

void make_array(hid_t file, const char* place, Steps& steps) {
  const Handle type = type_of(steps);
  const Space space = space_of(steps);
  bool raw_chunk = false;
  const Handle layout = layout_of(steps, space, type, raw_chunk);
  const Handle links = own(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links, 1);
  H5Ldelete(file, place, H5P_DEFAULT);
  const Handle array =
      own(H5Dcreate2(file, place, type, space.handle, links, layout, H5P_DEFAULT), H5Dclose);
  if (raw_chunk) {
    const std::string bytes = steps.some(1 + steps.byte());
    const std::vector<hsize_t> start(space.shape.size(), 0);
    H5Dwrite_chunk(array, H5P_DEFAULT, 0, start.data(), bytes.size(), bytes.data());
    return;
  }
  const hssize_t count = H5Sget_simple_extent_npoints(space.handle);
  if (count < 1 || count > 1024 || !can_be_given(type)) return;
  write_values(steps, type, static_cast<size_t>(count), is_variable(type), [&](const void* values) {
    H5Dwrite(array, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  });
}

void make_attribute(hid_t file, const char* place, Steps& steps) {
  const Handle object = own(H5Oopen(file, place, H5P_DEFAULT), H5Oclose);
  const char* name = steps.one_of(attributes);
  H5Adelete(object, name);
  const Handle type = type_of(steps);
  const Space space = space_of(steps);
  const Handle attribute =
      own(H5Acreate2(object, name, type, space.handle, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const hssize_t count = H5Sget_simple_extent_npoints(space.handle);
  if (count < 1 || count > 1024 || !can_be_given(type)) return;
  write_values(steps, type, static_cast<size_t>(count), is_variable(type),
               [&](const void* values) { H5Awrite(attribute, type, values); });
}

void make_link(hid_t file, const char* place, Steps& steps) {
  const unsigned kind = steps.byte() % 4;
  const char* to = steps.one_of(places);
  H5Ldelete(file, place, H5P_DEFAULT);
  if (kind == 0) H5Lcreate_hard(file, to, file, place, H5P_DEFAULT, H5P_DEFAULT);
  if (kind == 1) H5Lcreate_soft(to, file, place, H5P_DEFAULT, H5P_DEFAULT);
  if (kind == 2) H5Lcreate_soft(place, file, place, H5P_DEFAULT, H5P_DEFAULT);
  if (kind == 3) {
    H5Lcreate_external(elsewhere().c_str(), to, file, place, H5P_DEFAULT, H5P_DEFAULT);
  }
}

void make_group(hid_t file, const char* place) {
  H5Ldelete(file, place, H5P_DEFAULT);
  own(H5Gcreate2(file, place, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
}

void step(hid_t file, Steps& steps) {
  const unsigned kind = steps.byte() % 16;
  const char* place = steps.one_of(places);
  if (kind < 7) return make_array(file, place, steps);
  if (kind < 11) return make_attribute(file, place, steps);
  if (kind < 13) return make_link(file, place, steps);
  if (kind < 15) return make_group(file, place);
  H5Ldelete(file, place, H5P_DEFAULT);
}

Handle open_copy(const std::string& bytes) {
  const Handle access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_core(access, 1 << 18, 0);
  std::string copy = bytes;
  H5Pset_file_image(access, copy.data(), copy.size());
  return own(H5Fopen("made", H5F_ACC_RDWR, access), H5Fclose);
}

}  // namespace

std::string made_file(std::string_view program) {
  const QuietHdf5 quiet;
  Steps steps(program);
  const Handle file = open_copy(steps.one_of(sound_files()));
  for (int i = 0; i < 16 && !steps.done(); ++i) {
    try {
      step(file, steps);
    } catch (const FormatError&) {
    }
  }
  H5Fflush(file, H5F_SCOPE_GLOBAL);
  const ssize_t size = H5Fget_file_image(file, nullptr, 0);
  std::string bytes(static_cast<size_t>(std::max<ssize_t>(0, size)), '\0');
  if (size > 0) H5Fget_file_image(file, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace canal_fuzz
