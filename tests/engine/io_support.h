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
#include "engine/io/zip_file.h"
#include "fixtures.h"

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

inline std::string little(uint64_t value, size_t bytes) {
  std::string out;
  for (; bytes > 0; --bytes, value >>= 8) out += static_cast<char>(value & 0xff);
  return out;
}

template <class Value>
std::string bytes_of(const std::vector<Value>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value));
}

using ZipEntries = std::vector<std::pair<std::string, std::string>>;

// A zip file of stored entries, as torch.save writes them. `method` is what the directory claims.
inline std::string zip_of(const ZipEntries& entries, uint16_t method = 0) {
  std::string out;
  std::string directory;
  for (const auto& [name, bytes] : entries) {
    const std::string sizes = little(canal::io::crc32(bytes), 4) + little(bytes.size(), 4) +
                              little(bytes.size(), 4) + little(name.size(), 2) + little(0, 2);
    const std::string common = little(0, 2) + little(method, 2) + little(0, 4) + sizes;
    directory += "PK\x01\x02" + little(0, 2) + little(0, 2) + common + little(0, 10) +
                 little(out.size(), 4) + name;
    out += "PK\x03\x04" + little(0, 2) + common + name + bytes;
  }
  const size_t start = out.size();
  out += directory + "PK\x05\x06" + little(0, 4) + little(entries.size(), 2) +
         little(entries.size(), 2) + little(directory.size(), 4) + little(start, 4) + little(0, 2);
  return out;
}

}  // namespace io_test
