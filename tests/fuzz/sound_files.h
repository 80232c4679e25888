// Sound HDF5 files, the beginning of all that are made.
#pragma once
#include <string>
#include <vector>

#include "engine/tree.h"

namespace canal_fuzz {

// An AnnData file of sparse matrices, one of dense ones, a 10x file of each layout, a tree.
const std::vector<std::string>& sound_files();

// The path of another sound file, for links that leave their own.
const std::string& elsewhere();

}  // namespace canal_fuzz
