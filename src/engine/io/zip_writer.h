// Writing the zip container of torch.save: entries stored as they are, their bytes aligned.
#pragma once
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace canal::io {

class ZipWriter {
 public:
  // Writes to `path`, which is a new file or one that may go.
  explicit ZipWriter(const std::string& path);

  // Throws FormatError where the file would pass the 4 GiB that this form of zip can hold.
  void add(const std::string& name, std::string_view bytes);

  // The directory. Throws FormatError where anything could not be written.
  void finish();

 private:
  void write(const std::string& bytes);

  std::ofstream out_;
  uint64_t position_ = 0;
  uint16_t entries_ = 0;
  std::string directory_;
};

}  // namespace canal::io
