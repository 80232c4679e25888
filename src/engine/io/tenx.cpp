#include "engine/io/tenx.h"

#include <algorithm>

#include "engine/io/hdf5_matrix.h"
#include "engine/io/hdf5_values.h"
#include "engine/io/tree_numbers.h"

namespace canal::io {

namespace {

// One such group of an open file.
struct Group {
  const Hdf5File& file;
  std::string place;
  Handle handle;
};

Group open_group(const Hdf5File& file, const std::string& name) {
  const std::vector<std::string> names = tenx_matrices(file);
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    throw FormatError("has no matrix '" + name + "' as Cell Ranger writes it");
  }
  return {file, name, open_matrix(file, name)};
}

// Throws where there is no array of that name and of one dimension.
Tree read_array(const Group& group, const std::string& name) {
  const std::optional<int64_t> length = array_length(group.handle, name);
  if (!length) throw FormatError("has a matrix '" + group.place + "' without its '" + name + "'");
  return read_slice(group.file, group.handle, name, 0, *length);
}

std::vector<std::string> read_texts(const Group& group, const std::string& name) {
  Tree texts = read_array(group, name);
  if (texts.kind == Tree::Kind::text) return std::move(texts.text);
  throw FormatError("is damaged: '" + group.place + "/" + name + "' has no texts");
}

bool has_array(const Group& group, const std::string& name) {
  return has_place(group.file, group.place + "/" + name);
}

MatrixLayout layout_of(const Group& group) {
  const Tree shape = read_array(group, "shape");
  if (value_count(shape) != 2) {
    throw FormatError("is damaged: the shape of '" + group.place + "' has not two extents");
  }
  const int64_t features = integer_at(shape, 0);
  const int64_t cells = integer_at(shape, 1);
  return compressed_layout(group.handle, group.place, true, cells, features);
}

bool has_features(const Group& group) { return has_array(group, "features"); }

std::vector<std::string> read_names(const Group& group, const std::string& name, int64_t expected) {
  std::vector<std::string> names = read_texts(group, name);
  check_names("genes", names.size(), expected);
  return names;
}

// Sets the ids and the names of the genes, of which one may be missing.
void read_genes(const Group& group, int64_t expected, CellHeader& header) {
  const bool features = has_features(group);
  const std::string ids = features ? "features/id" : "genes";
  const std::string symbols = features ? "features/name" : "gene_names";
  const bool named = has_array(group, symbols);
  if (named) header.gene_names = read_names(group, symbols, expected);
  if (named && !has_array(group, ids)) return;
  header.gene_ids = read_names(group, ids, expected);
  if (!named) header.gene_names = header.gene_ids;
  for (size_t i = 0; i < header.gene_ids.size(); ++i) {
    if (header.gene_names[i].empty()) header.gene_names[i] = header.gene_ids[i];
  }
}

std::vector<std::string> feature_types(const Group& group, int64_t expected) {
  if (!has_features(group) || !has_array(group, "features/feature_type")) return {};
  std::vector<std::string> types = read_texts(group, "features/feature_type");
  check_names("types of features", types.size(), expected);
  return types;
}

}  // namespace

std::vector<std::string> tenx_matrices(const Hdf5File& file) {
  std::vector<std::string> groups;
  for (const std::string& name : names_in(file, "/")) {
    const auto has = [&](const char* part) { return has_place(file, name + "/" + part); };
    if (has("barcodes") && (has("features") || has("genes") || has("gene_names"))) {
      groups.push_back(name);
    }
  }
  return groups;
}

CellHeader tenx_header(const Hdf5File& file, const std::string& name) {
  const Group group = open_group(file, name);
  const MatrixLayout layout = layout_of(group);
  CellHeader header;
  header.cell_names = read_texts(group, "barcodes");
  check_names("cells", header.cell_names.size(), layout.cells);
  read_genes(group, layout.genes, header);
  header.feature_types = feature_types(group, layout.genes);
  header.values = layout.values;
  header.by_cells = true;
  return header;
}

CellMatrix tenx_cells(const Hdf5File& file, const std::string& name, int64_t first, int64_t count) {
  const Group group = open_group(file, name);
  return read_matrix_cells(file, group.place, layout_of(group), first, count);
}

}  // namespace canal::io
