// The tables of an AnnData file: names and columns of cells or genes.
#pragma once
#include <string>
#include <vector>

#include "engine/io/tree_read.h"

namespace canal::io {

// The names of the rows of a table ("obs", "var", "raw/var").
std::vector<std::string> read_index(const Hdf5File& file, const std::string& table);

// The columns of a table of `rows` rows, in the order the file gives: categorical and text columns
// as text with "" where missing, others as they are, with Tree::missing where they are nullable.
Tree read_columns(const Hdf5File& file, const std::string& table, int64_t rows);

}  // namespace canal::io
