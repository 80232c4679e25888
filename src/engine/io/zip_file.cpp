#include "engine/io/zip_file.h"

#include <algorithm>
#include <array>

#include "engine/io/bytes.h"

namespace canal::io {

namespace {

constexpr uint32_t local_signature = 0x04034b50;
constexpr uint32_t entry_signature = 0x02014b50;
constexpr uint32_t end_signature = 0x06054b50;
constexpr uint32_t end64_signature = 0x06064b50;
constexpr uint32_t locator64_signature = 0x07064b50;
constexpr size_t end_size = 22;
constexpr size_t locator64_size = 20;
constexpr size_t longest_comment = 0xffff;
constexpr uint32_t see_zip64 = 0xffffffff;

std::array<uint32_t, 256> crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t rest = byte;
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1) != 0 ? 0xedb88320u : 0u);
    table[byte] = rest;
  }
  return table;
}

void expect_signature(ByteReader& in, uint32_t signature, const char* what) {
  if (in.little<uint32_t>(what) != signature) {
    throw FormatError(std::string("is a damaged zip file: no ") + what + " where one is expected");
  }
}

ByteReader reader_at(std::string_view bytes, uint64_t start, const char* what) {
  if (start > bytes.size()) {
    throw FormatError(std::string("is a truncated or damaged zip file: ") + what +
                      " lies beyond its end");
  }
  return ByteReader(bytes, static_cast<size_t>(start));
}

}  // namespace

uint32_t crc32(std::string_view bytes) {
  static const std::array<uint32_t, 256> table = crc_table();
  uint32_t rest = 0xffffffff;
  for (const char byte : bytes) {
    rest = (rest >> 8) ^ table[(rest ^ static_cast<uint8_t>(byte)) & 0xff];
  }
  return ~rest;
}

bool ZipFile::is_zip(std::string_view bytes) {
  return bytes.size() >= 4 && load_little<uint32_t>(bytes.data()) == local_signature;
}

ZipFile::ZipFile(std::string_view bytes) : bytes_(bytes), untested_(bytes.size()) {
  const Directory directory = find_directory();
  ByteReader in = reader_at(bytes_, directory.start, "the directory");
  ByteReader part(in.take(directory.size, "the zip directory"));
  for (uint64_t i = 0; i < directory.entries; ++i) entries_.push_back(read_entry(part));
  const auto by_name = [](const Entry& a, const Entry& b) { return a.name < b.name; };
  std::sort(entries_.begin(), entries_.end(), by_name);
  for (size_t i = 1; i < entries_.size(); ++i) {
    if (entries_[i].name == entries_[i - 1].name) {
      throw FormatError("is a damaged zip file: two entries are called '" + entries_[i].name + "'");
    }
  }
}

// The end record is followed by a comment of unknown length only, so it is looked for backwards.
ZipFile::Directory ZipFile::find_directory() const {
  const size_t longest_tail = std::min(bytes_.size(), end_size + longest_comment);
  for (size_t tail = end_size; tail <= longest_tail; ++tail) {
    const size_t at = bytes_.size() - tail;
    if (load_little<uint32_t>(bytes_.data() + at) != end_signature) continue;
    ByteReader in(bytes_, at + 10);
    const uint64_t entries = in.little<uint16_t>("the zip end record");
    const uint64_t size = in.little<uint32_t>("the zip end record");
    const uint64_t start = in.little<uint32_t>("the zip end record");
    const bool wide = entries == 0xffff || size == see_zip64 || start == see_zip64;
    return wide ? find_directory64(at) : Directory{entries, size, start};
  }
  throw FormatError("is a truncated zip file: its end record is missing");
}

ZipFile::Directory ZipFile::find_directory64(uint64_t end_record) const {
  if (end_record < locator64_size) throw FormatError("is a damaged zip file: no zip64 locator");
  ByteReader locator(bytes_, static_cast<size_t>(end_record) - locator64_size);
  expect_signature(locator, locator64_signature, "zip64 locator");
  locator.take(4, "the zip64 locator");
  ByteReader in = reader_at(bytes_, locator.little<uint64_t>("the zip64 locator"), "zip64 record");
  expect_signature(in, end64_signature, "zip64 end record");
  in.take(28, "the zip64 end record");
  const uint64_t entries = in.little<uint64_t>("the zip64 end record");
  const uint64_t size = in.little<uint64_t>("the zip64 end record");
  return {entries, size, in.little<uint64_t>("the zip64 end record")};
}

ZipFile::Entry ZipFile::read_entry(ByteReader& in) const {
  expect_signature(in, entry_signature, "zip directory entry");
  Entry entry{};
  in.take(4, "a zip entry");
  entry.flags = in.little<uint16_t>("a zip entry");
  entry.method = in.little<uint16_t>("a zip entry");
  in.take(4, "a zip entry");
  entry.checksum = in.little<uint32_t>("a zip entry");
  entry.compressed_size = in.little<uint32_t>("a zip entry");
  entry.size = in.little<uint32_t>("a zip entry");
  const uint16_t name_size = in.little<uint16_t>("a zip entry");
  const uint16_t extra_size = in.little<uint16_t>("a zip entry");
  const uint16_t comment_size = in.little<uint16_t>("a zip entry");
  in.take(8, "a zip entry");
  entry.header = in.little<uint32_t>("a zip entry");
  entry.name = std::string(in.take(name_size, "a zip entry's name"));
  ByteReader extra(in.take(extra_size, "a zip entry's extra field"));
  in.take(comment_size, "a zip entry's comment");
  while (extra.remaining() >= 4) {
    const uint16_t kind = extra.little<uint16_t>("an extra field");
    ByteReader field(extra.take(extra.little<uint16_t>("an extra field"), "an extra field"));
    if (kind != 1) continue;
    for (uint64_t* wide : {&entry.size, &entry.compressed_size, &entry.header}) {
      if (*wide == see_zip64) *wide = field.little<uint64_t>("a zip64 field");
    }
  }
  return entry;
}

std::string ZipFile::name_ending(const std::string& ending) const {
  std::string found;
  for (const Entry& entry : entries_) {
    const std::string& name = entry.name;
    const bool ends = name.size() >= ending.size() &&
                      name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
    if (!ends) continue;
    if (!found.empty()) throw FormatError("holds '" + found + "' and '" + name + "'");
    found = name;
  }
  return found;
}

bool ZipFile::has(const std::string& name) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return entry.name == name; });
}

std::string_view ZipFile::read(const std::string& name) {
  const auto found = std::lower_bound(
      entries_.begin(), entries_.end(), name,
      [](const Entry& entry, const std::string& wanted) { return entry.name < wanted; });
  if (found == entries_.end() || found->name != name) {
    throw FormatError("is truncated or damaged: it has no entry '" + name + "'");
  }
  const std::string_view bytes = stored_bytes(*found);
  if (!found->tested) test(*found, bytes);
  return bytes;
}

// Entries that share their bytes would let a small file ask for hours of checksums.
void ZipFile::test(Entry& entry, std::string_view bytes) {
  if (bytes.size() > untested_) throw FormatError("is a damaged zip file: its entries overlap");
  untested_ -= bytes.size();
  if (crc32(bytes) != entry.checksum) {
    throw FormatError("is damaged: the checksum of its entry '" + entry.name + "' does not fit");
  }
  entry.tested = true;
}

std::string_view ZipFile::stored_bytes(const Entry& entry) const {
  if ((entry.flags & 1) != 0) throw FormatError("has an encrypted entry '" + entry.name + "'");
  if (entry.method != 0 || entry.size != entry.compressed_size) {
    throw FormatError("has a compressed entry '" + entry.name + "' (method " +
                      std::to_string(entry.method) +
                      "); torch.save stores its entries as they are");
  }
  ByteReader in = reader_at(bytes_, entry.header, "an entry");
  expect_signature(in, local_signature, "zip entry header");
  in.take(22, "a zip entry's header");
  const uint16_t name_size = in.little<uint16_t>("a zip entry's header");
  const uint16_t extra_size = in.little<uint16_t>("a zip entry's header");
  in.take(static_cast<uint64_t>(name_size) + extra_size, "a zip entry's header");
  return in.take(entry.size, "a zip entry");
}

}  // namespace canal::io
