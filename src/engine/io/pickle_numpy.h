// Arrays and scalars of numpy, rebuilt from the inert values of a pickle. All that is copied is
// paid for: a number costs one, a text its bytes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/budget.h"
#include "engine/io/pickle.h"

namespace canal::io {

// The texts of a one-dimensional object or unicode array, or of a list or tuple; nothing where `id`
// is something else. Throws FormatError where the array is damaged.
std::optional<std::vector<std::string>> texts_at(const Pickle& pickle, NodeId id, Budget& budget);

// The integers of a one-dimensional integer array, or of a list or tuple; nothing otherwise.
std::optional<std::vector<int64_t>> integers_at(const Pickle& pickle, NodeId id, Budget& budget);

// An array of any shape, its items in row-major order whatever order it was in.
template <class Value>
struct PickledArray {
  std::vector<int64_t> shape;
  std::vector<Value> items;
};

// Of real numbers, integers or booleans; nothing where `id` is something else.
std::optional<PickledArray<double>> numbers_at(const Pickle& pickle, NodeId id, Budget& budget);

// Of objects: their numbers in the pickle.
std::optional<PickledArray<NodeId>> objects_at(const Pickle& pickle, NodeId id, Budget& budget);

// A text, or numpy's scalar of one.
std::optional<std::string> scalar_text(const Pickle& pickle, NodeId id, Budget& budget);

// A number of Python's or a scalar of numpy's.
std::optional<double> scalar_number(const Pickle& pickle, NodeId id, Budget& budget);

}  // namespace canal::io
