// Trees of an HDF5 file by hand, for the tests of what reads them and the fuzzers' sound files.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/tree.h"

namespace io_test {

template <class Value>
canal::Tree tree_of(canal::Tree::Kind kind, std::vector<Value> canal::Tree::*slot,
                    std::vector<Value> values) {
  canal::Tree tree;
  tree.kind = kind;
  tree.shape = {static_cast<int64_t>(values.size())};
  tree.*slot = std::move(values);
  return tree;
}

inline canal::Tree texts(std::vector<std::string> values) {
  return tree_of(canal::Tree::Kind::text, &canal::Tree::text, std::move(values));
}

inline canal::Tree scalar_text(const std::string& value) {
  canal::Tree tree = texts({value});
  tree.shape.clear();
  return tree;
}

inline canal::Tree integers(std::vector<int32_t> values) {
  return tree_of(canal::Tree::Kind::int32, &canal::Tree::int32, std::move(values));
}

inline canal::Tree long_integers(std::vector<int64_t> values) {
  return tree_of(canal::Tree::Kind::int64, &canal::Tree::int64, std::move(values));
}

inline canal::Tree booleans(std::vector<uint8_t> values) {
  canal::Tree tree = tree_of(canal::Tree::Kind::uint8, &canal::Tree::uint8, std::move(values));
  tree.boolean = true;
  return tree;
}

inline canal::Tree floats(std::vector<int64_t> shape, std::vector<float> values) {
  canal::Tree tree = tree_of(canal::Tree::Kind::float32, &canal::Tree::float32, std::move(values));
  tree.shape = std::move(shape);
  return tree;
}

}  // namespace io_test
