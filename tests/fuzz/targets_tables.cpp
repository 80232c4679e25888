// Readers of plain tables and texts: npy, word2vec, safetensors, JSON, settings, zip, LZF.
#include "engine/checkpoint.h"
#include "engine/io/format_error.h"
#include "engine/io/hdf5_filters.h"
#include "engine/io/json.h"
#include "engine/io/settings_text.h"
#include "engine/io/zip_file.h"
#include "memory_file.h"
#include "targets.h"

namespace canal_fuzz {

namespace {

using namespace canal;

void npy(std::string_view bytes) {
  try {
    read_npy(as_file(bytes));
  } catch (const Error&) {
  }
}

void word2vec(std::string_view bytes) {
  try {
    read_word2vec(as_file(bytes));
  } catch (const Error&) {
  }
}

void safetensors(std::string_view bytes) {
  try {
    read_checkpoint(as_file(bytes));
  } catch (const Error&) {
  }
}

// What is read is written, and reads the same again.
void json(std::string_view bytes) {
  try {
    const io::Json value = io::parse_json(bytes);
    if (const auto texts = io::json_texts(value)) {
      const auto again = io::json_texts(io::parse_json(io::json_array(*texts)));
      if (again != texts) throw std::logic_error("texts change when they are written");
    }
    io::json_count(value);
    io::json_number(value);
  } catch (const io::FormatError&) {
  }
  Checkpoint checkpoint;
  io::read_settings(std::string(bytes), checkpoint);
}

void zip(std::string_view bytes) {
  try {
    io::ZipFile file(bytes);
    const std::string name = file.name_ending("/data.pkl");
    for (const std::string& entry : {name, std::string("a/byteorder"), std::string("a/data/0")}) {
      if (file.has(entry)) file.read(entry);
    }
  } catch (const io::FormatError&) {
  }
}

// The size is known before anything is written, and what is written is exactly that.
void lzf(std::string_view bytes) {
  const auto* in = reinterpret_cast<const uint8_t*>(bytes.data());
  const std::optional<size_t> size = io::lzf_size(in, bytes.size());
  if (!size) return;
  std::vector<uint8_t> out(*size);
  io::lzf_decompress(in, bytes.size(), out.data());
}

}  // namespace

std::vector<Target> table_targets() {
  return {{"npy", npy, mebibyte, 16},
          {"word2vec", word2vec, mebibyte, 32},
          {"safetensors", safetensors, mebibyte, 256},
          {"json", json, mebibyte, 256},
          {"zip", zip, mebibyte, 16},
          {"lzf", lzf, mebibyte, 400}};
}

}  // namespace canal_fuzz
