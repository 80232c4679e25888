// Where the files are that tests read.
#pragma once
#include <cstdlib>
#include <string>

namespace canal_test {

// A file of the package, by its path there.
inline std::string package_file(const std::string& name) {
  return std::string(CANALR_PACKAGE) + "/" + name;
}

inline bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Golden arrays: numbers that the published programs computed. The folder is CANALR_GOLDEN, or the
// package's fixtures, whose checkpoints CMake has unpacked.
inline std::string golden_path(const std::string& name) {
  const char* folder = std::getenv("CANALR_GOLDEN");
  if (folder != nullptr && *folder != '\0') return std::string(folder) + "/" + name;
  if (ends_with(name, ".pth")) return std::string(CANALR_UNPACKED) + "/" + name;
  return package_file("tests/testthat/fixtures/golden/" + name);
}

}  // namespace canal_test
