#include <fstream>

#include "engine/checkpoint.h"
#include "engine/digest.h"
#include "engine/io/checkpoint_names.h"
#include "engine/io/file_replace.h"
#include "engine/io/format_error.h"
#include "engine/io/json.h"
#include "engine/io/little_endian.h"
#include "engine/io/safetensors_checksum.h"
#include "engine/io/settings_text.h"

namespace canal {

namespace {

using namespace io;

// Metadata are texts; lists are JSON within them. "pt" says that shapes are row-major.
std::string metadata_text(const Checkpoint& checkpoint) {
  const std::vector<std::pair<std::string, std::string>> entries{
      {"format", "pt"},
      {checksum_entry, unknown_checksum()},
      {"labels", json_array(checkpoint.annotation)},
      {"genes", json_array(checkpoint.genes)},
      {"vocabulary", json_array(checkpoint.vocabulary)},
      {"positions", checkpoint.positions},
      {"config", settings_text(checkpoint)}};
  std::string out = "{";
  for (const auto& [name, text] : entries) {
    out += (out.size() == 1 ? "" : ",") + json_quoted(name) + ":" + json_quoted(text);
  }
  return out + "}";
}

std::string tensor_text(const std::string& name, const char* type,
                        const std::vector<int64_t>& shape, uint64_t begin, uint64_t bytes) {
  std::string out = "," + json_quoted(name) + ":{\"dtype\":\"" + type + "\",\"shape\":[";
  for (size_t d = 0; d < shape.size(); ++d) out += (d == 0 ? "" : ",") + std::to_string(shape[d]);
  return out + "],\"data_offsets\":[" + std::to_string(begin) + "," +
         std::to_string(begin + bytes) + "]}";
}

// The counter, the one tensor of 8-byte numbers, comes first, so that all are aligned.
std::string header_text(const Checkpoint& checkpoint) {
  constexpr uint64_t counter_bytes = 8;
  std::string out = "{\"__metadata__\":" + metadata_text(checkpoint);
  out += tensor_text(redraw_counter, "I64", {}, 0, counter_bytes);
  uint64_t at = counter_bytes;
  for (const auto& [name, array] : checkpoint.weights) {
    const uint64_t bytes = array.values.size() * 4;
    out += tensor_text(name, "F32", array.shape, at, bytes);
    at += bytes;
  }
  out += "}";
  out.resize((out.size() + 7) / 8 * 8, ' ');
  return out;
}

// The checksum is put in at the end, when all has gone by.
void write_parts(const std::string& path, const Checkpoint& checkpoint) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  Digest digest;
  const auto write = [&](const std::string& bytes) {
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  };
  const auto write_checked = [&](const std::string& bytes) {
    digest.add(bytes.data(), bytes.size());
    write(bytes);
  };
  const std::string header = header_text(checkpoint);
  const std::string size = little_endian(header.size(), 8);
  write(size);
  write_checked(header);
  write_checked(little_endian(0, 8));
  for (const auto& weight : checkpoint.weights) write_checked(float32_bytes(weight.second.values));
  out.seekp(static_cast<std::streamoff>(size.size() + checksum_place(header)));
  write(digest.text());
  out.close();
  if (!out) throw FormatError("cannot be written: is the disk full?");
}

}  // namespace

void write_safetensors(const std::string& path, const Checkpoint& checkpoint) {
  io::FileReplacement file(path);
  io::with_path(path, [&] { write_parts(file.temporary(), checkpoint); });
  file.commit();
}

}  // namespace canal
