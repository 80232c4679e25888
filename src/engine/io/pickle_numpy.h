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

}  // namespace canal::io
