#include "engine/io/checksum_block.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <vector>

#include "engine/digest.h"
#include "engine/io/format_error.h"

namespace canal::io {

namespace {

const std::string mark = "canalR checksum ";

// bytes: how many follow the block.
std::string block_of(uint64_t bytes, const std::string& digest) {
  std::string block = mark + "1: " + std::to_string(bytes) + " bytes, FNV-1a " + digest + "\n";
  block.resize(checksum_block_size, '\0');
  return block;
}

[[noreturn]] void fail_system(const std::string& what) {
  throw FormatError(what + ": " + std::strerror(errno));
}

std::string read_block(std::ifstream& file) {
  std::string block(checksum_block_size, '\0');
  file.read(block.data(), static_cast<std::streamsize>(block.size()));
  block.resize(static_cast<size_t>(file.gcount()));
  return block;
}

// The block that the rest of the file asks for.
std::string expected_block(std::ifstream& file) {
  constexpr size_t part = size_t{1} << 16;
  std::vector<char> buffer(part);
  Digest digest;
  uint64_t bytes = 0;
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(part));
    const auto count = static_cast<size_t>(file.gcount());
    digest.add(buffer.data(), count);
    bytes += count;
  }
  if (file.bad()) fail_system("cannot be read to its end");
  return block_of(bytes, digest.text());
}

// What a block says of the length, for a message. 0 where it says nothing.
uint64_t declared_bytes(const std::string& block) {
  const size_t start = mark.size() + 3;
  uint64_t bytes = 0;
  for (size_t i = start; i < block.size() && block[i] >= '0' && block[i] <= '9'; ++i) {
    bytes = bytes * 10 + static_cast<uint64_t>(block[i] - '0');
  }
  return bytes;
}

}  // namespace

std::string checksum_block(const std::string& bytes) {
  Digest digest;
  digest.add(bytes.data(), bytes.size());
  return block_of(bytes.size(), digest.text());
}

void check_checksum_block(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string block = read_block(file);
  if (block.compare(0, mark.size(), mark) != 0) return;
  if (block.size() < checksum_block_size) throw FormatError("is truncated");
  const std::string expected = expected_block(file);
  if (block == expected) return;
  if (declared_bytes(block) > declared_bytes(expected)) throw FormatError("is truncated");
  throw FormatError("is damaged, or was changed after it was written: its checksum is another");
}

}  // namespace canal::io
