#include "engine/io/zip_writer.h"

#include "engine/io/bytes.h"
#include "engine/io/little_endian.h"
#include "engine/io/zip_file.h"

namespace canal::io {

namespace {

constexpr uint64_t most_bytes = 0xffffffff;
constexpr uint64_t alignment = 64;  // PyTorch's own, so that it can map a file's tensors
constexpr uint64_t header_size = 30;

// Fills up to the alignment by an extra field, as PyTorch does: its kind "FB", its size, padding.
std::string padding_field(uint64_t unpadded_end) {
  const uint64_t with_field = unpadded_end + 4;
  const uint64_t padding = (alignment - with_field % alignment) % alignment;
  return "FB" + little_endian(padding, 2) + std::string(static_cast<size_t>(padding), 'Z');
}

}  // namespace

ZipWriter::ZipWriter(const std::string& path) : out_(path, std::ios::binary | std::ios::trunc) {}

void ZipWriter::write(const std::string& bytes) {
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  position_ += bytes.size();
}

void ZipWriter::add(const std::string& name, std::string_view bytes) {
  const uint64_t start = position_;
  const std::string extra = padding_field(start + header_size + name.size());
  if (start + header_size + name.size() + extra.size() + bytes.size() > most_bytes) {
    throw FormatError(
        "cannot be written: it would pass 4 GiB, the most that a .pth of canalR "
        "holds; a .safetensors may be larger");
  }
  // Version 2.0, no flags, stored, no date.
  const std::string common = little_endian(20, 2) + little_endian(0, 2) + little_endian(0, 2) +
                             little_endian(0, 4) + little_endian(crc32(bytes), 4) +
                             little_endian(bytes.size(), 4) + little_endian(bytes.size(), 4) +
                             little_endian(name.size(), 2);
  write("PK\x03\x04" + common + little_endian(extra.size(), 2) + name + extra);
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  position_ += bytes.size();
  // No extra field, comment, disk or attributes.
  directory_ += "PK\x01\x02" + little_endian(20, 2) + common + little_endian(0, 2) +
                little_endian(0, 8) + little_endian(0, 2) + little_endian(start, 4) + name;
  ++entries_;
}

void ZipWriter::finish() {
  const uint64_t start = position_;
  write(directory_);
  write("PK\x05\x06" + little_endian(0, 4) + little_endian(entries_, 2) +
        little_endian(entries_, 2) + little_endian(directory_.size(), 4) + little_endian(start, 4) +
        little_endian(0, 2));
  out_.close();
  if (!out_) throw FormatError("cannot be written: is the disk full?");
}

}  // namespace canal::io
