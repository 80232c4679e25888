// Values of HDF5 datasets and attributes, to and from the arrays of a Tree.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "engine/io/hdf5_handle.h"
#include "engine/tree.h"

namespace canal::io {

// Sets the kind (and `boolean`) that values of a file's type are read as; false where Tree has
// none.
bool set_kind(hid_t file_type, Tree& tree);

// Bytes that one value takes in memory.
size_t memory_width(hid_t file_type, const Tree& tree);

// H5Dread or H5Aread with everything but the type, the properties of the transfer (which H5Aread
// has no use for) and the destination given.
using Transfer = std::function<herr_t(hid_t memory_type, hid_t properties, void* out)>;

// Fills the values of `tree`, whose kind and shape are set. most_text: the bytes that all its texts
// may have together. Throws FormatError.
void read_values(Tree& tree, hid_t file_type, const Transfer& transfer, uint64_t most_text,
                 const std::string& what);

// The type that a tree's values have in a file, and in memory.
Handle file_type_of(const Tree& tree);
Handle memory_type_of(const Tree& tree);

// The bytes that each text of a tree takes in a file: those of the longest one.
size_t text_width(const Tree& tree);

size_t value_count(const Tree& tree);

}  // namespace canal::io
