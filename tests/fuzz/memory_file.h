// A file that is written over and over, for readers that take a path. In FUZZ_FOLDER, which should
// be a file system in memory, or where temporary files lie. HDF5 wants a path that stands in a
// folder, so that nameless files will not do.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace canal_fuzz {

class MemoryFile {
 public:
  MemoryFile() {
    const char* folder = std::getenv("FUZZ_FOLDER");
    path_ = (folder != nullptr ? std::string(folder)
                               : std::filesystem::temp_directory_path().string()) +
            "/canal-fuzz-XXXXXX";
    file_ = mkstemp(path_.data());
    if (file_ < 0) throw std::runtime_error("no file in memory");
  }
  ~MemoryFile() {
    close(file_);
    unlink(path_.c_str());
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const std::string& path() const { return path_; }

  void hold(std::string_view bytes) {
    if (ftruncate(file_, static_cast<off_t>(bytes.size())) != 0 ||
        pwrite(file_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
      throw std::runtime_error("a file in memory cannot be written");
    }
  }

 private:
  int file_;
  std::string path_;
};

// The path of the one file in memory, which holds these bytes until the next call.
inline const std::string& as_file(std::string_view bytes) {
  static MemoryFile file;
  file.hold(bytes);
  return file.path();
}

}  // namespace canal_fuzz
