// The matrices of an AnnData file.
#pragma once
#include <string>

#include "engine/h5ad.h"
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

MatrixLayout read_layout(const Hdf5File& file, const std::string& place);

// The matrix at `place`, sparse by rows, sparse by columns, or dense.
AnnDataMatrix read_matrix(const Hdf5File& file, const std::string& place);

// Some of its cells, where it lies by cells.
AnnDataMatrix read_cells(const Hdf5File& file, const std::string& place, int64_t first,
                         int64_t count);

}  // namespace canal::io
