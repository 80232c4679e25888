// The `.safetensors` format: the size of a header (8 bytes, little-endian), the header as JSON with
// every tensor's type, shape and place, the tensors' bytes.
#pragma once
#include <string_view>

#include "engine/checkpoint.h"

namespace canal::io {

// Whether the header's JSON begins where such a file has it.
bool is_safetensors(std::string_view bytes);

// Throws FormatError.
Checkpoint read_safetensors(std::string_view bytes);

}  // namespace canal::io
