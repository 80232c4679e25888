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

AnnData read_parts(const Hdf5File& file, const std::string& layer) {
  for (const char* part : {"obs", "var"}) {
    if (has_place(file, part)) continue;
    throw FormatError("is no AnnData file: it has no '" + std::string(part) + "'");
  }
  AnnData data;
  data.cell_names = read_index(file, "obs");
  data.gene_names = read_index(file, layer == "raw/X" ? "raw/var" : "var");
  data.counts = read_matrix(file, matrix_place(file, layer));
  check_count("cells", data.cell_names.size(), data.counts.cells);
  check_count("genes", data.gene_names.size(), data.counts.genes);
  data.obs = read_columns(file, "obs", data.counts.cells);
  return data;
}

}  // namespace

AnnData read_h5ad(const std::string& path, const std::string& layer) {
  const QuietHdf5 quiet;
  return with_path(path, [&] { return read_parts(open_tree_file(path), layer); });
}

}  // namespace canal
