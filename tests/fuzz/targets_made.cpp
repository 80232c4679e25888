// Well-formed HDF5 files with odd content, through all readers of such files.
#include "hdf5_readers.h"
#include "made_file.h"
#include "memory_file.h"
#include "targets.h"

namespace canal_fuzz {

namespace {

void made_cells(std::string_view bytes) { read_as_cells(as_file(bytes)); }

void made_tree(std::string_view bytes) { read_as_tree(as_file(bytes)); }

}  // namespace

std::vector<Target> made_targets() {
  keep_file_records();
  return {{"made_cells", made_cells, hdf5_constant, hdf5_per_byte, false, made_file},
          {"made_tree", made_tree, hdf5_constant, hdf5_per_byte, false, made_file}};
}

}  // namespace canal_fuzz
