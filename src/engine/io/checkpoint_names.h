// Names that every form of a checkpoint shares.
#pragma once
#include <string>

namespace canal::io {

// The one integer buffer of a Performer. canalR counts forward passes itself, so it is not read; it
// is written as 0, because PyTorch's load_state_dict() misses it otherwise.
constexpr const char* redraw_counter = "performer.calls_since_last_redraw";

// DataParallel puts its own name before each of the network's, as often as it was applied.
inline std::string network_name(const std::string& name) {
  const std::string prefix = "module.";
  size_t start = 0;
  while (name.compare(start, prefix.size(), prefix) == 0) start += prefix.size();
  return name.substr(start);
}

}  // namespace canal::io
