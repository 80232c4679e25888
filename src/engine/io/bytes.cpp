#include "engine/io/bytes.h"

#include <cerrno>
#include <filesystem>
#include <fstream>

namespace canal::io {

std::string read_whole_file(const std::string& path) {
  std::error_code status;
  if (!std::filesystem::exists(path, status)) fail_file(path, "cannot be read: no such file");
  if (std::filesystem::is_directory(path, status)) fail_file(path, "is a folder, not a file");
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

}  // namespace canal::io
