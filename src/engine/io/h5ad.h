// AnnData's layout in HDF5, versions 0.7 to 0.11: https://anndata.readthedocs.io, "on-disk format".
// All throw FormatError.
#pragma once
#include <string>
#include <vector>

#include "engine/cell_file.h"
#include "engine/io/tree_read.h"

namespace canal::io {

// Whether the file has AnnData's tables of cells and genes.
bool is_h5ad(const Hdf5File& file);

// Throws where it has not.
void check_h5ad(const Hdf5File& file);

// "X", "raw/X", then the layers' names; those that are there.
std::vector<std::string> h5ad_matrices(const Hdf5File& file);

AnnData read_anndata(const Hdf5File& file, const std::string& layer);

CellHeader h5ad_header(const Hdf5File& file, const std::string& layer);

CellMatrix h5ad_cells(const Hdf5File& file, const std::string& layer, int64_t first, int64_t count);

}  // namespace canal::io
