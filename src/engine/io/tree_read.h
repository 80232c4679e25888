// Reading parts of an open HDF5 file into trees.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/control.h"
#include "engine/io/budget.h"
#include "engine/io/hdf5_handle.h"
#include "engine/tree.h"

namespace canal::io {

// An open file, what bounds the size of what may be read from it, and who may cancel that.
struct Hdf5File {
  Handle handle;
  uint64_t bytes;                  // on disk
  std::unique_ptr<Budget> memory;  // bytes that may still be read
  const Control* control;          // nobody where it is null

  void check_cancelled() const {
    if (control != nullptr) control->check();
  }
};

// control: lives longer than the file.
Hdf5File open_tree_file(const std::string& path, const Control* control = nullptr);

// Whether the file has something at `place`, a path from the root. What links lead to in other
// files does not count.
bool has_place(const Hdf5File& file, const std::string& place);

// The group or array at `place` with all below it. Throws FormatError.
Tree read_place(const Hdf5File& file, const std::string& place);

// The length of the one-dimensional array of numbers or texts `name` of a group, a path from it;
// nothing where there is none.
std::optional<int64_t> array_length(hid_t group, const std::string& name);

// `count` of its values, from the `first` on.
Tree read_slice(const Hdf5File& file, hid_t group, const std::string& name, int64_t first,
                int64_t count);

// The attributes alone.
std::vector<std::pair<std::string, Tree>> read_attributes(const Hdf5File& file, hid_t object);

// Names in a group, sorted; none where `place` is no group.
std::vector<std::string> names_in(const Hdf5File& file, const std::string& place);

// Refuses an array that lies in another file, declares more than this one stores of it, or went
// through a filter that is not to be had.
void check_array(const Hdf5File& file, hid_t dataset, const std::string& place);

std::vector<int64_t> shape_of(hid_t space);

}  // namespace canal::io
