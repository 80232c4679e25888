#include <algorithm>

#include "engine/runtime.h"
#ifdef __linux__
#include <link.h>
#endif

namespace canal {

#ifdef __linux__

namespace {

int keep_libtorch(dl_phdr_info* library, size_t, void* found) {
  const std::string path = library->dlpi_name;
  const std::string name = path.substr(path.rfind('/') + 1);
  auto& files = *static_cast<std::vector<std::string>*>(found);
  if (name.compare(0, 12, "libtorch_cpu") == 0) files.push_back(path);
  return 0;
}

}  // namespace

std::vector<std::string> loaded_libtorch() {
  std::vector<std::string> files;
  dl_iterate_phdr(keep_libtorch, &files);
  std::sort(files.begin(), files.end());
  return files;
}

#else

// Where libraries keep their symbols to themselves (macOS: two-level names) two do not meet.
std::vector<std::string> loaded_libtorch() { return {}; }

#endif

}  // namespace canal
