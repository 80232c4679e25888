#include "engine/io/bytes.h"

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "engine/files.h"

namespace canal {

void check_regular_file(const std::string& path) {
  std::error_code status;
  if (!std::filesystem::exists(path, status)) io::fail_file(path, "cannot be read: no such file");
  if (std::filesystem::is_directory(path, status)) io::fail_file(path, "is a folder, not a file");
  if (!std::filesystem::is_regular_file(path, status)) {
    io::fail_file(path, "is a pipe or device, not a file");
  }
}

}  // namespace canal

namespace canal::io {

std::string read_whole_file(const std::string& path) {
  check_regular_file(path);
  errno = 0;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) fail_file(path, std::string("cannot be read: ") + std::strerror(errno));
  const std::streamoff size = file.tellg();
  if (size < 0) fail_file(path, "cannot be read: it has no size");
  std::string bytes(static_cast<size_t>(size), '\0');
  file.seekg(0);
  file.read(bytes.data(), size);
  if (file.gcount() != size) fail_file(path, "cannot be read to its end");
  return bytes;
}

void refuse_zero_bytes(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    if (text.find('\0') != std::string::npos) {
      throw FormatError("holds a name with a zero byte in it");
    }
  }
}

}  // namespace canal::io
