// The matrices of an AnnData file.
#pragma once
#include <string>

#include "engine/h5ad.h"
#include "engine/io/tree_read.h"

namespace canal::io {

// The matrix at `place`, sparse by rows, sparse by columns, or dense.
AnnDataMatrix read_matrix(const Hdf5File& file, const std::string& place);

}  // namespace canal::io
