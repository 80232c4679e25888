#include <algorithm>
#include <fstream>

#include "engine/array.h"
#include "engine/io/checksum_block.h"
#include "engine/io/file_replace.h"
#include "engine/io/hdf5_values.h"
#include "engine/runtime.h"
#include "engine/tree.h"

namespace canal {

namespace {

using namespace io;

// Smaller arrays are not worth a filter, and chunks of about this size suit HDF5's cache.
constexpr int64_t chunk_bytes = int64_t{1} << 18;
constexpr unsigned deflate_level = 4;

[[noreturn]] void refuse(const std::string& place, const std::string& reason) {
  throw Error(ErrorKind::input, "'" + place + "' cannot be written: " + reason + ".");
}

size_t held_values(const Tree& tree) {
  switch (tree.kind) {
    case Tree::Kind::float32: return tree.float32.size();
    case Tree::Kind::float64: return tree.float64.size();
    case Tree::Kind::int32: return tree.int32.size();
    case Tree::Kind::int64: return tree.int64.size();
    case Tree::Kind::uint8: return tree.uint8.size();
    case Tree::Kind::text: return tree.text.size();
    case Tree::Kind::group: break;
  }
  return 0;
}

void check_array(const Tree& tree, const std::string& place) {
  const size_t declared = value_count(tree);
  if (held_values(tree) != declared) {
    refuse(place, "its shape asks for " + std::to_string(declared) + " values and it has " +
                      std::to_string(held_values(tree)));
  }
  if (tree.shape.size() > H5S_MAX_RANK) refuse(place, "it has more than 32 dimensions");
  for (const std::string& text : tree.text) {
    if (text.find('\0') != std::string::npos) refuse(place, "a text has a zero byte");
  }
}

void check_names(const std::vector<std::pair<std::string, Tree>>& trees, const std::string& place) {
  std::vector<std::string> names;
  names.reserve(trees.size());
  for (const auto& entry : trees) names.push_back(entry.first);
  std::sort(names.begin(), names.end());
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty() || names[i] == "." || names[i].find('/') != std::string::npos) {
      refuse(place, "the name '" + names[i] + "' is empty, '.', or has a '/'");
    }
    if (i > 0 && names[i] == names[i - 1]) refuse(place, "it has two parts '" + names[i] + "'");
  }
}

Handle space_of(const Tree& tree) {
  if (tree.shape.empty()) return Handle(H5Screate(H5S_SCALAR), H5Sclose, "no data space");
  const std::vector<hsize_t> extents(tree.shape.begin(), tree.shape.end());
  const int rank = static_cast<int>(extents.size());
  return Handle(H5Screate_simple(rank, extents.data(), nullptr), H5Sclose, "no data space");
}

// Whole rows of about chunk_bytes.
std::vector<hsize_t> chunk_of(const Tree& tree, int64_t width) {
  std::vector<hsize_t> chunk(tree.shape.begin(), tree.shape.end());
  int64_t bytes = width * element_count(tree.shape);
  for (hsize_t& extent : chunk) {
    if (bytes <= chunk_bytes) break;
    const int64_t below = bytes / static_cast<int64_t>(extent);
    extent = static_cast<hsize_t>(std::max<int64_t>(1, chunk_bytes / std::max<int64_t>(1, below)));
    bytes = below * static_cast<int64_t>(extent);
  }
  return chunk;
}

// Tokens, indices, statistics and texts deflate well; trained weights do not.
bool worth_deflating(const Tree& tree, int64_t width) {
  return tree.kind != Tree::Kind::float32 && !tree.shape.empty() &&
         element_count(tree.shape) * width >= chunk_bytes &&
         H5Zfilter_avail(H5Z_FILTER_DEFLATE) > 0;
}

Handle storage_of(const Tree& tree, hid_t type, const std::string& what) {
  Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, what);
  const auto width = static_cast<int64_t>(H5Tget_size(type));
  if (!worth_deflating(tree, width)) return properties;
  const std::vector<hsize_t> chunk = chunk_of(tree, width);
  check_hdf5(H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data()), what);
  check_hdf5(H5Pset_shuffle(properties), what);
  check_hdf5(H5Pset_deflate(properties, deflate_level), what);
  return properties;
}

std::string padded_texts(const Tree& tree) {
  const size_t width = text_width(tree);
  std::string bytes(width * tree.text.size(), '\0');
  for (size_t i = 0; i < tree.text.size(); ++i) tree.text[i].copy(&bytes[i * width], width);
  return bytes;
}

// Calls `write(memory type, values)`, an H5Dwrite or H5Awrite.
template <class Write>
void write_values(const Tree& tree, const std::string& what, Write&& write) {
  const Handle type = memory_type_of(tree);
  std::string texts;
  const void* values = nullptr;
  switch (tree.kind) {
    case Tree::Kind::float32: values = tree.float32.data(); break;
    case Tree::Kind::float64: values = tree.float64.data(); break;
    case Tree::Kind::int32: values = tree.int32.data(); break;
    case Tree::Kind::int64: values = tree.int64.data(); break;
    case Tree::Kind::uint8: values = tree.uint8.data(); break;
    default: texts = padded_texts(tree); values = texts.data();
  }
  if (value_count(tree) > 0) check_hdf5(write(type, values), what);
}

void write_attributes(hid_t object, const Tree& tree, const std::string& place) {
  check_names(tree.attributes, place);
  for (const auto& [name, value] : tree.attributes) {
    const std::string what = "cannot be written: the attribute '" + name + "' of '" + place + "'";
    if (value.kind == Tree::Kind::group) refuse(place, "its attribute '" + name + "' is a group");
    check_array(value, place);
    const Handle type = file_type_of(value);
    const Handle space = space_of(value);
    const Handle attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT),
                           H5Aclose, what);
    write_values(value, what, [&](hid_t memory_type, const void* values) {
      return H5Awrite(attribute, memory_type, values);
    });
  }
}

void write_array(hid_t group, const std::string& name, const Tree& tree, const std::string& place) {
  const std::string what = "cannot be written: '" + place + "'";
  check_array(tree, place);
  const Handle type = file_type_of(tree);
  const Handle space = space_of(tree);
  const Handle storage = storage_of(tree, type, what);
  const Handle dataset(
      H5Dcreate2(group, name.c_str(), type, space, H5P_DEFAULT, storage, H5P_DEFAULT), H5Dclose,
      what);
  write_values(tree, what, [&](hid_t memory_type, const void* values) {
    return H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
  });
  write_attributes(dataset, tree, place);
}

// Entries come back in the order they were written in, not by name.
Handle in_order(hid_t kind) {
  const std::string what = "cannot be written: no properties";
  Handle properties(H5Pcreate(kind), H5Pclose, what);
  check_hdf5(H5Pset_link_creation_order(properties, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED),
             what);
  return properties;
}

void write_group(hid_t group, const Tree& tree, const std::string& place) {
  write_attributes(group, tree, place);
  check_names(tree.children, place);
  for (const auto& [name, child] : tree.children) {
    const std::string below = place == "/" ? "/" + name : place + "/" + name;
    if (child.kind != Tree::Kind::group) {
      write_array(group, name, child, below);
      continue;
    }
    const Handle order = in_order(H5P_GROUP_CREATE);
    const Handle made(H5Gcreate2(group, name.c_str(), H5P_DEFAULT, order, H5P_DEFAULT), H5Gclose,
                      "cannot be written: '" + below + "'");
    write_group(made, child, below);
  }
}

size_t value_width(const Tree& tree) {
  switch (tree.kind) {
    case Tree::Kind::float32:
    case Tree::Kind::int32: return 4;
    case Tree::Kind::float64:
    case Tree::Kind::int64: return 8;
    case Tree::Kind::uint8: return 1;
    case Tree::Kind::text: return text_width(tree);
    case Tree::Kind::group: break;
  }
  return 0;
}

// What a tree takes in a file where nothing of it can be deflated.
size_t most_bytes(const Tree& tree) {
  constexpr size_t description = 1024;
  size_t bytes = description + held_values(tree) * value_width(tree);
  for (const auto& entry : tree.attributes) bytes += most_bytes(entry.second);
  for (const auto& entry : tree.children) bytes += most_bytes(entry.second);
  return bytes;
}

// HDF5 cannot close a file that it gets no memory to finish, and ends the process when that ends. A
// file that grows in memory may be moved: it is there twice then.
void check_room_for(const Tree& root) {
  constexpr size_t buffers = size_t{16} << 20;
  require_memory(2 * most_bytes(root) + buffers);
}

// Where HDF5 itself meets a full disk, closing the file fails, and what it keeps of it then ends
// the process when that exits.
Handle file_in_memory() {
  const std::string what = "cannot be written";
  constexpr size_t growth = size_t{1} << 20;
  const Handle memory(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, what);
  check_hdf5(H5Pset_fapl_core(memory, growth, false), what);
  const Handle made = in_order(H5P_FILE_CREATE);
  check_hdf5(H5Pset_userblock(made, checksum_block_size), what);
  return Handle(H5Fcreate("canalR tree", H5F_ACC_TRUNC, made, memory), H5Fclose, what);
}

// The file's bytes behind its user block.
std::string bytes_of(const Tree& root) {
  const std::string what = "cannot be written";
  check_room_for(root);
  const Handle file = file_in_memory();
  write_group(file, root, "/");
  check_hdf5(H5Fflush(file, H5F_SCOPE_GLOBAL), what);
  const ssize_t size = H5Fget_file_image(file, nullptr, 0);
  if (size < 0) fail_hdf5(what);
  std::string bytes(static_cast<size_t>(size), '\0');
  if (H5Fget_file_image(file, bytes.data(), bytes.size()) < 0) fail_hdf5(what);
  return bytes;
}

void write_file(const std::string& path, const Tree& root) {
  const std::string bytes = bytes_of(root);
  const std::string block = checksum_block(bytes);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(block.data(), static_cast<std::streamsize>(block.size()));
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw FormatError("cannot be written to its end: is the disk full?");
}

}  // namespace

void write_tree(const std::string& path, const Tree& root) {
  if (root.kind != Tree::Kind::group) refuse("/", "a file's root must be a group");
  const QuietHdf5 quiet;
  with_path(path, [&] {
    FileReplacement replacement(path);
    write_file(replacement.temporary(), root);
    replacement.commit();
  });
}

}  // namespace canal
