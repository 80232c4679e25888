// AnnData's layout in HDF5, versions 0.7 to 0.11: https://anndata.readthedocs.io, "on-disk format".
#include "engine/h5ad.h"

#include "engine/io/h5ad_columns.h"
#include "engine/io/h5ad_matrix.h"
#include "engine/io/tree_read.h"

namespace canal {

namespace {

using namespace io;

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string matrices_of(const Hdf5File& file) {
  std::vector<std::string> names;
  for (const char* fixed : {"X", "raw/X"}) {
    if (has_place(file, fixed)) names.emplace_back(fixed);
  }
  for (const std::string& layer : names_in(file, "layers")) names.push_back(layer);
  return names.empty() ? "it has no matrix at all" : "it has " + joined(names);
}

std::string matrix_place(const Hdf5File& file, const std::string& layer) {
  const bool fixed = layer == "X" || layer == "raw/X";
  const std::string place = fixed ? layer : "layers/" + layer;
  if (has_place(file, place)) return place;
  throw FormatError("has no layer '" + layer + "'; " + matrices_of(file));
}

void check_count(const std::string& what, size_t names, int64_t expected) {
  if (static_cast<int64_t>(names) == expected) return;
  throw FormatError("is damaged: it names " + std::to_string(names) + " " + what +
                    " and its matrix has " + std::to_string(expected));
}

void check_tables(const Hdf5File& file) {
  for (const char* part : {"obs", "var"}) {
    if (has_place(file, part)) continue;
    throw FormatError("is no AnnData file: it has no '" + std::string(part) + "'");
  }
}

std::string table_of_genes(const std::string& layer) {
  return layer == "raw/X" ? "raw/var" : "var";
}

AnnData read_parts(const Hdf5File& file, const std::string& layer) {
  check_tables(file);
  AnnData data;
  data.cell_names = read_index(file, "obs");
  data.gene_names = read_index(file, table_of_genes(layer));
  data.counts = read_matrix(file, matrix_place(file, layer));
  check_count("cells", data.cell_names.size(), data.counts.cells);
  check_count("genes", data.gene_names.size(), data.counts.genes);
  data.obs = read_columns(file, "obs", data.counts.cells);
  return data;
}

AnnDataHeader read_header(const Hdf5File& file, const std::string& layer) {
  check_tables(file);
  AnnDataHeader header;
  header.cell_names = read_index(file, "obs");
  header.gene_names = read_index(file, table_of_genes(layer));
  const MatrixLayout layout = read_layout(file, matrix_place(file, layer));
  check_count("cells", header.cell_names.size(), layout.cells);
  check_count("genes", header.gene_names.size(), layout.genes);
  header.values = layout.values;
  header.by_cells = layout.by_cells;
  return header;
}

}  // namespace

AnnData read_h5ad(const std::string& path, const std::string& layer) {
  const QuietHdf5 quiet;
  return with_path(path, [&] { return read_parts(open_tree_file(path), layer); });
}

AnnDataHeader read_h5ad_header(const std::string& path, const std::string& layer) {
  const QuietHdf5 quiet;
  return with_path(path, [&] { return read_header(open_tree_file(path), layer); });
}

AnnDataMatrix read_h5ad_cells(const std::string& path, const std::string& layer, int64_t first,
                              int64_t count) {
  const QuietHdf5 quiet;
  return with_path(path, [&] {
    const Hdf5File file = open_tree_file(path);
    return read_cells(file, matrix_place(file, layer), first, count);
  });
}

CellsAhead::CellsAhead(const std::string& path, const std::string& layer, int64_t first,
                       int64_t count)
    : matrix_(std::async(std::launch::async,
                         [=] { return read_h5ad_cells(path, layer, first, count); })) {}

}  // namespace canal
