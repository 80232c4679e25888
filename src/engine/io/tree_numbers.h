// The numbers of a tree's array, whatever kind they are kept as.
#pragma once
#include "engine/io/format_error.h"
#include "engine/tree.h"

namespace canal::io {

inline bool is_real(const Tree& tree) {
  return tree.kind == Tree::Kind::float32 || tree.kind == Tree::Kind::float64;
}

inline int64_t integer_at(const Tree& tree, size_t i) {
  switch (tree.kind) {
    case Tree::Kind::int32: return tree.int32[i];
    case Tree::Kind::int64: return tree.int64[i];
    case Tree::Kind::uint8: return tree.uint8[i];
    default: throw FormatError("is damaged: it has other values where integers are expected");
  }
}

// Calls work with the vector that holds a tree's integers, or numbers: for loops over many.
template <class Work>
void with_integers(const Tree& tree, const Work& work) {
  switch (tree.kind) {
    case Tree::Kind::int32: return work(tree.int32);
    case Tree::Kind::int64: return work(tree.int64);
    case Tree::Kind::uint8: return work(tree.uint8);
    default: throw FormatError("is damaged: it has other values where integers are expected");
  }
}

template <class Work>
void with_numbers(const Tree& tree, const Work& work) {
  switch (tree.kind) {
    case Tree::Kind::float32: return work(tree.float32);
    case Tree::Kind::float64: return work(tree.float64);
    default: with_integers(tree, work);
  }
}

inline double number_at(const Tree& tree, size_t i) {
  switch (tree.kind) {
    case Tree::Kind::float32: return tree.float32[i];
    case Tree::Kind::float64: return tree.float64[i];
    default: return static_cast<double>(integer_at(tree, i));
  }
}

}  // namespace canal::io
