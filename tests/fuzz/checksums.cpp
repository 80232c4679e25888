#include "checksums.h"

#include <string_view>

#include "engine/io/bytes.h"
#include "engine/io/zip_file.h"

namespace canal_fuzz {

namespace {

using canal::io::load_little;

constexpr size_t entry_size = 46;
constexpr size_t header_size = 30;
constexpr size_t checksum_at = 16;

// The bytes of an entry that is stored as it is; empty where they are not all there.
std::string_view stored(std::string_view bytes, size_t header, size_t size) {
  if (header > bytes.size() || bytes.size() - header < header_size) return {};
  const char* at = bytes.data() + header;
  const size_t skipped =
      header_size + load_little<uint16_t>(at + 26) + load_little<uint16_t>(at + 28);
  const size_t held = bytes.size() - header;
  return skipped > held || size > held - skipped ? std::string_view()
                                                 : bytes.substr(header + skipped, size);
}

}  // namespace

void mend_checksums(char* data, size_t size) {
  const std::string_view bytes(data, size);
  for (size_t at = bytes.find("PK\x01\x02"); at != std::string_view::npos;
       at = bytes.find("PK\x01\x02", at + 1)) {
    if (size - at < entry_size) return;
    const std::string_view entry =
        stored(bytes, load_little<uint32_t>(data + at + 42), load_little<uint32_t>(data + at + 24));
    const uint32_t checksum = canal::io::crc32(entry);
    for (size_t i = 0; i < 4; ++i) {
      data[at + checksum_at + i] = static_cast<char>(checksum >> (8 * i));
    }
  }
}

}  // namespace canal_fuzz
