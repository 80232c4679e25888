// What the tests of files share: where files are, and files made by hand.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/errors.h"
#include "fixtures.h"
#include "zip_builder.h"

namespace io_test {

using canal_test::package_file;

inline std::string golden(const std::string& name) { return canal_test::golden_path(name); }

// A folder that goes with the test.
class TempFolder {
 public:
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "canal-io-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored_at_exit;
    std::filesystem::remove_all(path_, ignored_at_exit);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(file(name), std::ios::binary) << bytes;
    return file(name);
  }
  size_t entries() const {
    const std::filesystem::directory_iterator all(path_);
    return static_cast<size_t>(std::distance(begin(all), end(all)));
  }

 private:
  std::string path_;
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Runs `work`, which must throw a canal::Error of the kind whose message has `fragment` in it.
inline void expect_error(canal::ErrorKind kind, const std::string& fragment,
                         const std::function<void()>& work) {
  try {
    work();
    ADD_FAILURE() << "nothing was thrown; expected: " << fragment;
  } catch (const canal::Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos) << error.what();
  }
}

}  // namespace io_test
