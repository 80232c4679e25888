// 10x Genomics' matrices in HDF5, which are features x cells by columns: cells x features by rows.
//
//   Cell Ranger 3 and later     a group "matrix" of data, indices, indptr, shape, barcodes and
//                               features/{id, name, feature_type, genome}
//   Cell Ranger 2               a group per genome, with genes (ids) and gene_names in place of
//                               features
//
// What is no gene is among the features here; feature_types tells. All throw FormatError.
#pragma once
#include <string>
#include <vector>

#include "engine/cell_file.h"
#include "engine/io/tree_read.h"

namespace canal::io {

// The names of such groups; none where the file is another one.
std::vector<std::string> tenx_matrices(const Hdf5File& file);

// Genes are named by their symbols, or by their ids where those are missing or empty.
CellHeader tenx_header(const Hdf5File& file, const std::string& group);

CellMatrix tenx_cells(const Hdf5File& file, const std::string& group, int64_t first, int64_t count);

}  // namespace canal::io
