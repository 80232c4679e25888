// The zip container of torch.save: entries stored as they are, never compressed.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canal::io {

uint32_t crc32(std::string_view bytes);

class ZipFile {
 public:
  // Reads the directory. Throws FormatError. The bytes must outlive this.
  explicit ZipFile(std::string_view bytes);

  static bool is_zip(std::string_view bytes);

  // The name of the one entry that ends in `ending`; "" where there is none.
  std::string name_ending(const std::string& ending) const;
  bool has(const std::string& name) const;

  // An entry's bytes, their checksum tested at the first call.
  std::string_view read(const std::string& name);

 private:
  struct Entry {
    std::string name;
    uint64_t header;
    uint64_t size;
    uint64_t compressed_size;
    uint32_t checksum;
    uint16_t method;
    uint16_t flags;
    bool tested;
  };
  struct Directory {
    uint64_t entries;
    uint64_t size;
    uint64_t start;
  };

  Directory find_directory() const;
  Directory find_directory64(uint64_t end_record) const;
  Entry read_entry(class ByteReader& in) const;
  std::string_view stored_bytes(const Entry& entry) const;
  void test(Entry& entry, std::string_view bytes);

  std::string_view bytes_;
  std::vector<Entry> entries_;  // by name
  uint64_t untested_;           // bytes whose checksums may still be computed
};

}  // namespace canal::io
