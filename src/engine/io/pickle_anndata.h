// An AnnData that was pickled whole, rebuilt from the inert values of the pickle.
#pragma once
#include "engine/cell_file.h"
#include "engine/io/budget.h"
#include "engine/io/pickle.h"

namespace canal::io {

bool is_anndata(const Pickle& pickle, NodeId id);

// Its matrix X, its columns of cells, and the names of cells and genes. Throws FormatError, whose
// text says what of it cannot be read.
AnnData anndata_at(const Pickle& pickle, NodeId id, Budget& budget);

}  // namespace canal::io
