// Pickles written opcode by opcode, good ones and others.
#pragma once
#include <string>
#include <vector>

#include "zip_builder.h"

namespace io_test {

const std::string start_pickle("\x80\x02", 2);
const std::string none("N");

inline std::string text(const std::string& value) { return "X" + little(value.size(), 4) + value; }
inline std::string bytes3(const std::string& value) {
  return "B" + little(value.size(), 4) + value;
}
inline std::string integer(int64_t value) {
  return std::string("\x8a\x08", 2) + little(static_cast<uint64_t>(value), 8);
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
inline std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}
inline std::string tuple(const std::vector<std::string>& parts) {
  return "(" + joined(parts) + "t";
}
inline std::string list(const std::vector<std::string>& parts) {
  return "](" + joined(parts) + "e";
}
inline std::string dict(const std::vector<std::string>& keys_and_values) {
  return "}(" + joined(keys_and_values) + "u";
}
inline std::string call(const std::string& callable, const std::vector<std::string>& arguments) {
  return callable + tuple(arguments) + "R";
}
inline std::string integers(const std::vector<int64_t>& values) {
  std::vector<std::string> parts;
  for (const int64_t value : values) parts.push_back(integer(value));
  return tuple(parts);
}

struct TensorText {
  std::string key = "0";
  std::string type = "FloatStorage";
  int64_t count = 6;
  int64_t offset = 0;
  std::vector<int64_t> shape = {2, 3};
  std::vector<int64_t> strides = {3, 1};
};

inline std::string storage(const TensorText& tensor) {
  return tuple({text("storage"), global("torch", tensor.type), text(tensor.key), text("cpu"),
                integer(tensor.count)}) +
         "Q";
}

inline std::string tensor(const TensorText& tensor) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {storage(tensor), integer(tensor.offset), integers(tensor.shape),
               integers(tensor.strides), "\x89", call(global("collections", "OrderedDict"), {})});
}

// A zip checkpoint with one pickle and storages "0", "1", ...
inline std::string torch_zip(const std::string& value, const std::vector<std::string>& storages) {
  ZipEntries entries{{"file/data.pkl", start_pickle + value + "."}};
  for (size_t i = 0; i < storages.size(); ++i) {
    entries.emplace_back("file/data/" + std::to_string(i), storages[i]);
  }
  return zip_of(entries);
}

// The same in the form before torch 1.6, every storage of float32.
inline std::string torch_legacy(const std::string& value,
                                const std::vector<std::vector<float>>& storages) {
  std::string out = start_pickle + "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
  out += start_pickle + integer(1001) + ".";
  out += start_pickle + dict({text("little_endian"), "\x88"}) + ".";
  out += start_pickle + value + ".";
  std::vector<std::string> keys;
  for (size_t i = 0; i < storages.size(); ++i) keys.push_back(text(std::to_string(i)));
  out += start_pickle + list(keys) + ".";
  for (const auto& values : storages) out += little(values.size(), 8) + bytes_of(values);
  return out;
}

}  // namespace io_test
