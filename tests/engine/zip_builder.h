// Zip files made by hand, good ones and others.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/zip_file.h"

namespace io_test {

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
