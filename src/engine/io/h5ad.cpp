#include "engine/io/h5ad.h"

#include "engine/io/h5ad_columns.h"
#include "engine/io/hdf5_matrix.h"
#include "engine/io/tree_numbers.h"

namespace canal::io {

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string matrix_place(const Hdf5File& file, const std::string& layer) {
  const bool fixed = layer == "X" || layer == "raw/X";
  const std::string place = fixed ? layer : "layers/" + layer;
  if (has_place(file, place)) return place;
  const std::string there = joined(h5ad_matrices(file));
  throw FormatError("has no layer '" + layer + "'; " +
                    (there.empty() ? "it has no matrix at all" : "it has " + there));
}

std::string table_of_genes(const std::string& layer) {
  return layer == "raw/X" ? "raw/var" : "var";
}

// "csr_matrix" (AnnData 0.7 and later), "csr" (h5sparse).
bool is_by_rows(const Tree& group, const std::string& place) {
  for (const char* name : {"encoding-type", "h5sparse_format"}) {
    const Tree* format = group.attribute(name);
    if (format == nullptr || format->text.size() != 1) continue;
    const std::string start = format->text[0].substr(0, 3);
    if (start == "csr") return true;
    if (start == "csc") return false;
    throw FormatError("has a matrix '" + place + "' of the unknown kind '" + format->text[0] + "'");
  }
  throw FormatError("has a group '" + place + "' that is no sparse matrix");
}

// Cells, genes.
std::vector<int64_t> declared_shape(const Tree& group, const std::string& place) {
  for (const char* name : {"shape", "h5sparse_shape"}) {
    const Tree* shape = group.attribute(name);
    if (shape == nullptr || shape->shape != std::vector<int64_t>{2}) continue;
    return {integer_at(*shape, 0), integer_at(*shape, 1)};
  }
  throw FormatError("has a sparse matrix '" + place + "' without a shape");
}

MatrixLayout layout_of(const Hdf5File& file, const std::string& place) {
  const Handle object = open_matrix(file, place);
  if (H5Iget_type(object) == H5I_DATASET) return dense_layout(file, object, place);
  Tree group;
  group.attributes = read_attributes(file, object);
  const std::vector<int64_t> shape = declared_shape(group, place);
  return compressed_layout(object, place, is_by_rows(group, place), shape[0], shape[1]);
}

}  // namespace

bool is_h5ad(const Hdf5File& file) { return has_place(file, "obs") && has_place(file, "var"); }

void check_h5ad(const Hdf5File& file) {
  for (const char* part : {"obs", "var"}) {
    if (has_place(file, part)) continue;
    throw FormatError("is no AnnData file: it has no '" + std::string(part) +
                      "'; nor does it hold a matrix as Cell Ranger writes it");
  }
}

std::vector<std::string> h5ad_matrices(const Hdf5File& file) {
  std::vector<std::string> names;
  for (const char* fixed : {"X", "raw/X"}) {
    if (has_place(file, fixed)) names.emplace_back(fixed);
  }
  for (const std::string& layer : names_in(file, "layers")) names.push_back(layer);
  return names;
}

AnnData read_anndata(const Hdf5File& file, const std::string& layer) {
  check_h5ad(file);
  AnnData data;
  data.cell_names = read_index(file, "obs");
  data.gene_names = read_index(file, table_of_genes(layer));
  const std::string place = matrix_place(file, layer);
  // The names are there; extents are only declared, and empty rows take memory too.
  const MatrixLayout layout = layout_of(file, place);
  check_names("cells", data.cell_names.size(), layout.cells);
  check_names("genes", data.gene_names.size(), layout.genes);
  data.counts = read_matrix(file, place, layout);
  data.obs = read_columns(file, "obs", data.counts.cells);
  return data;
}

CellHeader h5ad_header(const Hdf5File& file, const std::string& layer) {
  check_h5ad(file);
  CellHeader header;
  header.cell_names = read_index(file, "obs");
  header.gene_names = read_index(file, table_of_genes(layer));
  const MatrixLayout layout = layout_of(file, matrix_place(file, layer));
  check_names("cells", header.cell_names.size(), layout.cells);
  check_names("genes", header.gene_names.size(), layout.genes);
  header.values = layout.values;
  header.by_cells = layout.by_cells;
  return header;
}

CellMatrix h5ad_cells(const Hdf5File& file, const std::string& layer, int64_t first,
                      int64_t count) {
  const std::string place = matrix_place(file, layer);
  return read_matrix_cells(file, place, layout_of(file, place), first, count);
}

}  // namespace canal::io
