// Arrays and scalars of numpy, rebuilt from the inert values of a pickle.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/pickle.h"

namespace canal::io {

// The texts of a one-dimensional object or unicode array, or of a list or tuple; nothing where `id`
// is something else. Throws FormatError where the array is damaged.
std::optional<std::vector<std::string>> texts_at(const Pickle& pickle, NodeId id);

// The integers of a one-dimensional integer array, or of a list or tuple; nothing otherwise.
std::optional<std::vector<int64_t>> integers_at(const Pickle& pickle, NodeId id);

// An array of any shape, its items in row-major order whatever order it was in.
template <class Value>
struct PickledArray {
  std::vector<int64_t> shape;
  std::vector<Value> items;
};

// Of real numbers, integers or booleans; nothing where `id` is something else.
std::optional<PickledArray<double>> numbers_at(const Pickle& pickle, NodeId id);

// Of objects: their numbers in the pickle.
std::optional<PickledArray<NodeId>> objects_at(const Pickle& pickle, NodeId id);

// A text, or numpy's scalar of one.
std::optional<std::string> scalar_text(const Pickle& pickle, NodeId id);

// A number of Python's or a scalar of numpy's.
std::optional<double> scalar_number(const Pickle& pickle, NodeId id);

}  // namespace canal::io
