// Matrices of cells x genes in HDF5: compressed ones, which are a group of `data`, `indices` and
// `indptr`, and dense ones, an array. How a format tells which and how large is its own affair.
#pragma once
#include <string>

#include "engine/cell_file.h"
#include "engine/io/tree_read.h"

namespace canal::io {

// How a matrix lies in a file.
struct MatrixLayout {
  bool dense;
  bool by_cells;  // dense, or compressed along the cells
  int64_t cells;
  int64_t genes;
  int64_t values;  // cells x genes where dense, else those stored
};

Handle open_matrix(const Hdf5File& file, const std::string& place);

// Both check that the extents are possible and agree with the arrays that are there.
MatrixLayout compressed_layout(hid_t group, const std::string& place, bool by_cells, int64_t cells,
                               int64_t genes);
MatrixLayout dense_layout(const Hdf5File& file, hid_t dataset, const std::string& place);

// The whole matrix at `place`.
CellMatrix read_matrix(const Hdf5File& file, const std::string& place, const MatrixLayout& layout);

// Some of its cells, where it lies by cells.
CellMatrix read_matrix_cells(const Hdf5File& file, const std::string& place,
                             const MatrixLayout& layout, int64_t first, int64_t count);

// Throws where a file names another number of cells or genes than its matrix has. what: "cells".
void check_names(const std::string& what, size_t names, int64_t expected);

}  // namespace canal::io
