// Files of HDF5 as bytes: canalR's own trees, AnnData's and 10x Genomics' cells.
#include <algorithm>

#include "engine/cell_file.h"
#include "engine/tree.h"
#include "hdf5_readers.h"
#include "memory_file.h"
#include "targets.h"

namespace canal_fuzz {

namespace {

void tree(std::string_view bytes) { read_as_tree(as_file(bytes)); }

void cells(std::string_view bytes) { read_as_cells(as_file(bytes)); }

}  // namespace

std::vector<Target> hdf5_targets() {
  keep_file_records();
  return {{"tree", tree, hdf5_constant, hdf5_per_byte, true},
          {"h5ad", cells, hdf5_constant, hdf5_per_byte, true},
          {"tenx", cells, hdf5_constant, hdf5_per_byte, true}};
}

}  // namespace canal_fuzz
