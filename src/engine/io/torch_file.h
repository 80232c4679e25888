// The two containers of torch.save: a zip file, and the bare sequence of pickles before torch 1.6.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "engine/io/pickle.h"

namespace canal::io {

struct TorchFile {
  Pickle pickle;
  // The bytes of a storage by its key. Throws FormatError where the file has none of that name.
  std::function<std::string_view(std::string_view key)> storage;
};

// `bytes` must outlive what is returned. Throws FormatError.
TorchFile open_torch_file(std::string_view bytes);

}  // namespace canal::io
