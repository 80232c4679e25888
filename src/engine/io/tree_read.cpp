#include "engine/io/tree_read.h"

#include <algorithm>
#include <filesystem>
#include <limits>

#include "engine/array.h"
#include "engine/io/hdf5_bounds.h"
#include "engine/io/hdf5_filters.h"
#include "engine/io/hdf5_values.h"

namespace canal::io {

namespace {

// Deeper nesting than any sensible file has.
constexpr size_t deepest = 100;

// All that is read of a file may take what deflate makes of it at best, and a little anyway.
constexpr uint64_t always_allowed = uint64_t{1} << 24;

// What an object or attribute without any values takes. Links may lead to one thing again and
// again.
constexpr int64_t bytes_of_object = 1024;

// HDF5 has no way to read a part of an attribute, nor to bound what its texts take, of which any
// number may lie at one place of the file.
constexpr int64_t most_attribute_texts = best_compression;

struct Identity {
  unsigned long file;
  haddr_t address;
  bool operator==(const Identity& other) const {
    return file == other.file && address == other.address;
  }
};

Identity identity_of(hid_t object) {
  H5O_info_t info;
  check_hdf5(H5Oget_info(object, &info), "an object's address cannot be read");
  return {info.fileno, info.addr};
}

herr_t collect_link(hid_t, const char* name, const H5L_info_t*, void* names) {
  return static_cast<HandedTexts*>(names)->add(name);
}

herr_t collect_attribute(hid_t, const char* name, const H5A_info_t*, void* names) {
  return static_cast<HandedTexts*>(names)->add(name);
}

// By creation where the file tells, else by name.
H5_index_t order_of(hid_t group) {
  const std::string what = "a group's order cannot be read";
  const Handle properties(H5Gget_create_plist(group), H5Pclose, what);
  unsigned order = 0;
  check_hdf5(H5Pget_link_creation_order(properties, &order), what);
  return (order & H5P_CRT_ORDER_TRACKED) != 0 ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
}

std::vector<std::string> link_names(hid_t group) {
  HandedTexts handed;
  const herr_t status =
      H5Literate(group, order_of(group), H5_ITER_INC, nullptr, collect_link, &handed);
  std::vector<std::string> names = handed.take();
  check_hdf5(status, "a group's names cannot be read");
  return names;
}

bool is_external(hid_t group, const std::string& name) {
  H5L_info_t info;
  check_hdf5(H5Lget_info(group, name.c_str(), &info, links_within()),
             "'" + name + "' cannot be read");
  return info.type != H5L_TYPE_HARD && info.type != H5L_TYPE_SOFT;
}

// Whether there is something at a path from the group, in this very file. Every step of the way is
// asked for: a question about the last one fails where one is missing.
bool is_within(hid_t group, const std::string& path) {
  const Handle links = links_within();
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string step = path.substr(0, end);
    if (!is_yes(H5Lexists(group, step.c_str(), links)) || is_external(group, step)) return false;
    if (end == std::string::npos) return true;
  }
}

// Numbers take at most eight times as much in memory as in the file.
void spend_values(const Hdf5File& file, hid_t type, const Tree& tree) {
  const bool text = tree.kind == Tree::Kind::text;
  const size_t width = text ? memory_width(type, tree) : H5Tget_size(type);
  file.memory->spend(static_cast<int64_t>(value_count(tree) * width), "its arrays");
}

// Reads one object and all below it. `above_` holds the groups on the way, so that a file whose
// group contains itself ends in an error instead of never.
class TreeReader {
 public:
  explicit TreeReader(const Hdf5File& file) : file_(file) {}

  // Nothing where the object is of a kind that Tree has not.
  std::optional<Tree> read(hid_t object, const std::string& place) {
    file_.check_cancelled();
    file_.memory->spend(bytes_of_object, "its objects");
    switch (H5Iget_type(object)) {
      case H5I_GROUP: return read_group(object, place);
      case H5I_DATASET: return read_dataset(object, place);
      default: return std::nullopt;
    }
  }

 private:
  Tree read_group(hid_t group, const std::string& place) {
    const Identity identity = identity_of(group);
    if (std::find(above_.begin(), above_.end(), identity) != above_.end()) {
      throw FormatError("has a group '" + place + "' that contains itself");
    }
    if (above_.size() >= deepest) throw FormatError("is nested too deeply at '" + place + "'");
    above_.push_back(identity);
    Tree tree;
    tree.attributes = read_attributes(file_, group);
    for (const std::string& name : link_names(group)) read_child(group, name, place, tree);
    above_.pop_back();
    return tree;
  }

  void read_child(hid_t group, const std::string& name, const std::string& place, Tree& parent) {
    const std::string below = place == "/" ? "/" + name : place + "/" + name;
    if (is_external(group, name)) return;
    const Handle child = open_within(group, name, "has '" + below + "' that cannot be opened");
    std::optional<Tree> tree = read(child, below);
    if (tree) parent.children.emplace_back(name, *std::move(tree));
  }

  std::optional<Tree> read_dataset(hid_t dataset, const std::string& place) {
    const std::string what = "has an array '" + place + "' that cannot be read";
    const Handle type(H5Dget_type(dataset), H5Tclose, what);
    Tree tree;
    if (!set_kind(type, tree)) return std::nullopt;
    check_array(file_, dataset, place);
    const Handle space(H5Dget_space(dataset), H5Sclose, what);
    tree.shape = shape_of(space);
    spend_values(file_, type, tree);
    const auto transfer = [&](hid_t memory_type, hid_t properties, void* out) {
      return H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, properties, out);
    };
    read_values(tree, type, transfer, file_.bytes, what);
    tree.attributes = read_attributes(file_, dataset);
    return tree;
  }

  const Hdf5File& file_;
  std::vector<Identity> above_;
};

// The values that are read between looks for who cancels: whole chunks, as HDF5 may undo the
// compression of one anew for every part of it.
int64_t values_at_once(hid_t dataset, const std::string& what) {
  constexpr hsize_t usual = hsize_t{1} << 21;
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose, what);
  if (H5Pget_layout(properties) != H5D_CHUNKED) return usual;
  hsize_t chunk = 0;
  check_hdf5(H5Pget_chunk(properties, 1, &chunk), what);
  chunk = std::max<hsize_t>(chunk, 1);
  return static_cast<int64_t>(std::max<hsize_t>(usual / chunk, 1) * chunk);
}

herr_t read_piece(hid_t dataset, hid_t memory_type, hid_t properties, int64_t first, int64_t count,
                  void* out, const std::string& what) {
  const auto start = static_cast<hsize_t>(first);
  const auto extent = static_cast<hsize_t>(count);
  const Handle space(H5Dget_space(dataset), H5Sclose, what);
  check_hdf5(H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, nullptr, &extent, nullptr), what);
  const Handle memory(H5Screate_simple(1, &extent, nullptr), H5Sclose, what);
  return H5Dread(dataset, memory_type, memory, space, properties, out);
}

std::optional<Tree> read_attribute(const Hdf5File& file, hid_t object, const std::string& name) {
  file.memory->spend(bytes_of_object, "its attributes");
  const std::string what = "has an attribute '" + name + "' that cannot be read";
  const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, what);
  const Handle type(H5Aget_type(attribute), H5Tclose, what);
  const Handle space(H5Aget_space(attribute), H5Sclose, what);
  Tree tree;
  if (!set_kind(type, tree)) return std::nullopt;
  tree.shape = shape_of(space);
  // An attribute lies whole in its object's header, but its dimensions are only declared there.
  const hsize_t stored = H5Aget_storage_size(attribute);
  const auto count = static_cast<uint64_t>(element_count(tree.shape));
  if (count > 0 && stored / count < H5Tget_size(type)) {
    throw FormatError(what + ": its size does not fit");
  }
  if (H5Tis_variable_str(type) > 0 && count > most_attribute_texts) return std::nullopt;
  spend_values(file, type, tree);
  const auto transfer = [&](hid_t memory_type, hid_t, void* out) {
    return H5Aread(attribute, memory_type, out);
  };
  read_values(tree, type, transfer, file.bytes, what);
  return tree;
}

}  // namespace

Hdf5File open_tree_file(const std::string& path, const Control* control) {
  Handle handle = open_hdf5(path);
  const uint64_t bytes = std::filesystem::file_size(path);
  const auto allowed = static_cast<int64_t>(always_allowed + bytes * best_compression);
  return {std::move(handle), bytes, std::make_unique<Budget>(allowed), control};
}

std::vector<int64_t> shape_of(hid_t space) {
  if (H5Sget_simple_extent_type(space) == H5S_NULL) return {0};
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank < 0) fail_hdf5("has an array without dimensions");
  std::vector<hsize_t> extents(static_cast<size_t>(rank));
  if (rank > 0) {
    check_hdf5(H5Sget_simple_extent_dims(space, extents.data(), nullptr), "has no dimensions");
  }
  std::vector<int64_t> shape;
  for (const hsize_t extent : extents) {
    if (extent > static_cast<hsize_t>(std::numeric_limits<int64_t>::max())) {
      throw FormatError("has an array of more than 2^63 - 1 rows");
    }
    shape.push_back(static_cast<int64_t>(extent));
  }
  return shape;
}

void check_array(const Hdf5File& file, hid_t dataset, const std::string& place) {
  if (check_stored(dataset, file.bytes, place) > 0) check_filters(dataset, place);
}

bool has_place(const Hdf5File& file, const std::string& place) {
  return place == "/" || is_within(file.handle, place);
}

Tree read_place(const Hdf5File& file, const std::string& place) {
  if (!has_place(file, place)) throw FormatError("holds nothing called '" + place + "'");
  const Handle object =
      open_within(file.handle, place, "has '" + place + "' that cannot be opened");
  std::optional<Tree> tree = TreeReader(file).read(object, place);
  if (!tree) throw FormatError("holds values of an unsupported kind in '" + place + "'");
  return *std::move(tree);
}

std::optional<int64_t> array_length(hid_t group, const std::string& name) {
  if (!is_within(group, name)) return {};
  const std::string what = "has an array '" + name + "' that cannot be read";
  const Handle object = open_within(group, name, what);
  if (H5Iget_type(object) != H5I_DATASET) return {};
  const Handle type(H5Dget_type(object), H5Tclose, what);
  const Handle space(H5Dget_space(object), H5Sclose, what);
  Tree tree;
  const std::vector<int64_t> shape = shape_of(space);
  if (shape.size() != 1 || !set_kind(type, tree)) return {};
  return shape[0];
}

Tree read_slice(const Hdf5File& file, hid_t group, const std::string& name, int64_t first,
                int64_t count) {
  const std::string what = "has an array '" + name + "' that cannot be read";
  const Handle dataset = open_within(group, name, what);
  const Handle type(H5Dget_type(dataset), H5Tclose, what);
  Tree tree;
  if (!set_kind(type, tree)) throw FormatError(what + ": it holds neither numbers nor texts");
  check_array(file, dataset, name);
  tree.shape = {count};
  spend_values(file, type, tree);
  const int64_t step = values_at_once(dataset, what);
  const auto transfer = [&](hid_t memory_type, hid_t properties, void* out) {
    const auto width = static_cast<int64_t>(H5Tget_size(memory_type));
    const int64_t end = first + count;
    for (int64_t at = first; at < end;) {
      file.check_cancelled();
      const int64_t next = std::min(end, (at / step + 1) * step);
      char* place = static_cast<char*>(out) + (at - first) * width;
      if (read_piece(dataset, memory_type, properties, at, next - at, place, what) < 0) return -1;
      at = next;
    }
    return 0;
  };
  read_values(tree, type, transfer, file.bytes, what);
  return tree;
}

std::vector<std::pair<std::string, Tree>> read_attributes(const Hdf5File& file, hid_t object) {
  HandedTexts handed;
  const herr_t status =
      H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_attribute, &handed);
  const std::vector<std::string> names = handed.take();
  check_hdf5(status, "has attributes that cannot be read");
  std::vector<std::pair<std::string, Tree>> attributes;
  for (const std::string& name : names) {
    std::optional<Tree> value = read_attribute(file, object, name);
    if (value) attributes.emplace_back(name, *std::move(value));
  }
  return attributes;
}

std::vector<std::string> names_in(const Hdf5File& file, const std::string& place) {
  if (!has_place(file, place)) return {};
  const Handle object =
      open_within(file.handle, place, "has '" + place + "' that cannot be opened");
  if (H5Iget_type(object) != H5I_GROUP) return {};
  return link_names(object);
}

}  // namespace canal::io
