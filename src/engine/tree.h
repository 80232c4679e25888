// A tree of named arrays, texts and groups: what canalR reads from and writes to an HDF5 file.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace canal {

struct Tree {
  enum class Kind { group, float32, float64, int32, int64, uint8, text };
  Kind kind = Kind::group;
  std::vector<int64_t> shape;  // empty: a scalar; last dimension fastest
  // The one that `kind` names is filled.
  std::vector<float> float32;
  std::vector<double> float64;
  std::vector<int32_t> int32;
  std::vector<int64_t> int64;
  std::vector<uint8_t> uint8;
  bool boolean = false;  // of uint8: an HDF5 enum of FALSE and TRUE, as h5py writes booleans
  std::vector<std::string> text;
  // Of a column of AnnData, 1 per value that is missing. Never written.
  std::vector<uint8_t> missing;
  std::vector<std::pair<std::string, Tree>> children;    // of a group, as written; else by name
  std::vector<std::pair<std::string, Tree>> attributes;  // of a group or array

  const Tree* child(const std::string& name) const;
  const Tree* attribute(const std::string& name) const;
};

// Reads a whole file, or the part below `place` ("/" for all). Narrow integers come as int32, wide
// unsigned ones as int64. What Tree has no kind for (compounds, references) is left out, unless it
// is `place` itself.
Tree read_tree(const std::string& path, const std::string& place);

// Writes the file whole or not at all: a neighbour file is written, flushed to disk and renamed.
// `root` is a group; texts are UTF-8.
void write_tree(const std::string& path, const Tree& root);

// The names below `place` in an HDF5 file, for messages.
std::vector<std::string> list_names(const std::string& path, const std::string& place);

}  // namespace canal
