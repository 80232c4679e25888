// All that canalR reads of an HDF5 file, by path.
#pragma once
#include <hdf5.h>

#include <algorithm>
#include <string>

#include "engine/cell_file.h"
#include "engine/errors.h"
#include "engine/tree.h"
#include "targets.h"

namespace canal_fuzz {

// Arrays that are declared and not stored may take 64 MiB, doubled where numbers become others, and
// deflate makes a thousand bytes of one.
constexpr size_t hdf5_constant = 256 * mebibyte;
constexpr size_t hdf5_per_byte = 4096;

// HDF5 keeps half a megabyte of records for each open file, and the pages of it, taken and given
// back for each input, are most of the time: it is to keep them for the next one.
inline void keep_file_records() {
  constexpr int records = 4 << 20;
  constexpr int others = 1 << 18;
  H5set_free_list_limits(4 * records, records, 16 * others, others, 16 * others, others);
}

template <class Work>
void refused_or_done(Work&& work) {
  try {
    work();
  } catch (const canal::Error&) {
  }
}

inline void read_as_tree(const std::string& path) {
  refused_or_done([&] { canal::read_tree(path, "/"); });
  refused_or_done([&] { canal::list_names(path, "/"); });
}

// The matrix X with its tables, of two others the cells from the second on.
inline void read_as_cells(const std::string& path) {
  canal::CellFile file;
  try {
    file = canal::inspect_cell_file(path);
  } catch (const canal::Error&) {
    return;
  }
  if (file.format == canal::CellFormat::anndata) {
    refused_or_done([&] { canal::read_h5ad(path, "X"); });
  }
  for (size_t i = 0; i < std::min<size_t>(file.matrices.size(), 2); ++i) {
    const std::string& matrix = file.matrices[file.matrices.size() - 1 - i];
    refused_or_done([&] {
      const canal::CellHeader header = canal::read_cell_header(path, matrix);
      const auto cells = static_cast<int64_t>(header.cell_names.size());
      canal::read_cells(path, matrix, cells > 1 ? 1 : 0, cells > 1 ? cells - 1 : cells);
    });
  }
}

}  // namespace canal_fuzz
