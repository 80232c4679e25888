// Tensors of torch, rebuilt from the inert values of a pickle.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "engine/array.h"
#include "engine/io/element.h"
#include "engine/io/torch_file.h"

namespace canal::io {

// A strided view on a storage; its bounds have been tested.
struct TensorView {
  ElementType type;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  // in elements
  int64_t offset;                // in elements
  std::string_view storage;
};

// The tensor that `id` describes; nothing where it is no tensor, or one of a kind canalR has no use
// for (complex, quantised, sparse). Throws FormatError where it is damaged.
std::optional<TensorView> tensor_at(const TorchFile& file, NodeId id);

FloatArray to_float_array(const TensorView& view);

std::vector<int64_t> to_integers(const TensorView& view);  // of an integer type

}  // namespace canal::io
