#include <algorithm>
#include <array>
#include <set>

#include "engine/io/bytes.h"
#include "engine/io/checkpoint_names.h"
#include "engine/io/element.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/io/safetensors_checksum.h"
#include "engine/io/settings_text.h"

namespace canal::io {

namespace {

constexpr size_t size_bytes = 8;
constexpr uint64_t largest_header = 100000000;  // the format's own limit

struct NumberType {
  std::string_view name;
  size_t bytes;
  std::optional<Element> real;  // only these are weights
};

constexpr std::array<NumberType, 13> number_types{{{"F32", 4, Element::float32},
                                                   {"F16", 2, Element::float16},
                                                   {"BF16", 2, Element::bfloat16},
                                                   {"F64", 8, Element::float64},
                                                   {"I64", 8, {}},
                                                   {"U64", 8, {}},
                                                   {"I32", 4, {}},
                                                   {"U32", 4, {}},
                                                   {"I16", 2, {}},
                                                   {"U16", 2, {}},
                                                   {"I8", 1, {}},
                                                   {"U8", 1, {}},
                                                   {"BOOL", 1, {}}}};

struct StoredTensor {
  std::string name;
  const NumberType* type;
  std::vector<int64_t> shape;
  uint64_t begin;
  uint64_t end;
};

[[noreturn]] void fail_tensor(const std::string& name, const std::string& reason) {
  throw FormatError("is damaged: its tensor '" + name + "' " + reason);
}

const NumberType* type_of(const std::string& name, const Json* type) {
  if (type == nullptr || type->kind != Json::Kind::text) fail_tensor(name, "has no type");
  for (const NumberType& known : number_types) {
    if (known.name == type->text) return &known;
  }
  throw FormatError("holds the tensor '" + name + "' of the unknown type '" + type->text + "'");
}

std::vector<int64_t> counts_of(const std::string& name, const Json* values, const char* what) {
  if (values == nullptr || values->kind != Json::Kind::array) {
    fail_tensor(name, std::string("has no ") + what);
  }
  std::vector<int64_t> counts;
  for (const Json& value : values->items) {
    const std::optional<int64_t> count = json_count(value);
    if (!count) fail_tensor(name, std::string("has no whole numbers as its ") + what);
    counts.push_back(*count);
  }
  return counts;
}

// Bytes of a tensor by its shape, at most `held`: so the product cannot overflow.
uint64_t declared_bytes(const StoredTensor& tensor, uint64_t held) {
  uint64_t bytes = tensor.type->bytes;
  for (const int64_t extent : tensor.shape) {
    if (extent == 0) return 0;
  }
  for (const int64_t extent : tensor.shape) {
    if (static_cast<uint64_t>(extent) > held / bytes) {
      fail_tensor(tensor.name, "has a shape larger than the file");
    }
    bytes *= static_cast<uint64_t>(extent);
  }
  return bytes;
}

StoredTensor tensor_from(const std::string& name, const Json& entry, uint64_t held) {
  if (entry.kind != Json::Kind::object) fail_tensor(name, "is not described by an object");
  StoredTensor tensor{name, type_of(name, entry.member("dtype")),
                      counts_of(name, entry.member("shape"), "shape"), 0, 0};
  const std::vector<int64_t> ends = counts_of(name, entry.member("data_offsets"), "data_offsets");
  if (ends.size() != 2) fail_tensor(name, "has not two data_offsets");
  tensor.begin = static_cast<uint64_t>(ends[0]);
  tensor.end = static_cast<uint64_t>(ends[1]);
  if (tensor.begin > tensor.end || tensor.end > held) {
    fail_tensor(name, "lies outside the file's " + std::to_string(held) + " bytes of data");
  }
  if (declared_bytes(tensor, held) != tensor.end - tensor.begin) {
    fail_tensor(name, "has a shape and type that do not fit its " +
                          std::to_string(tensor.end - tensor.begin) + " bytes");
  }
  return tensor;
}

// Tensors follow one another without a gap, and nothing follows the last.
void check_layout(std::vector<StoredTensor> tensors, uint64_t held) {
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return a.begin < b.begin || (a.begin == b.begin && a.end < b.end);
  });
  uint64_t at = 0;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.begin < at) fail_tensor(tensor.name, "overlaps another");
    if (tensor.begin > at) fail_tensor(tensor.name, "leaves a gap before it");
    at = tensor.end;
  }
  if (at != held) {
    throw FormatError("is damaged: its tensors end at byte " + std::to_string(at) +
                      " of their data, and it holds " + std::to_string(held));
  }
}

FloatArray values_of(const StoredTensor& tensor, std::string_view data) {
  const size_t width = tensor.type->bytes;
  FloatArray array{tensor.shape, {}};
  array.values.reserve((tensor.end - tensor.begin) / width);
  for (uint64_t at = tensor.begin; at < tensor.end; at += width) {
    const double number = load_number({*tensor.type->real, false}, data.data() + at);
    array.values.push_back(static_cast<float>(number));
  }
  return array;
}

class SafetensorsReader {
 public:
  explicit SafetensorsReader(std::string_view bytes) {
    ByteReader in(bytes);
    const auto size = in.little<uint64_t>("the size of its header");
    if (size > largest_header) {
      throw FormatError("is damaged: its header should be " + std::to_string(size) +
                        " bytes long, over the format's limit of " +
                        std::to_string(largest_header));
    }
    header_ = in.take(size, "its header");
    data_ = in.take(in.remaining(), "its data");
    check_safetensors(header_, data_);
  }

  Checkpoint read() {
    const Json header = parse_json(header_);
    if (header.kind != Json::Kind::object) throw FormatError("has a header that is no object");
    std::vector<StoredTensor> tensors;
    for (const auto& [name, entry] : header.members) {
      if (name != "__metadata__") {
        tensors.push_back(tensor_from(name, entry, data_.size()));
      } else {
        read_metadata(entry);
      }
    }
    check_layout(tensors, data_.size());
    for (const StoredTensor& tensor : tensors) take(tensor);
    if (out_.weights.empty()) throw FormatError("holds no weights");
    return std::move(out_);
  }

 private:
  void take(const StoredTensor& tensor) {
    const std::string name = network_name(tensor.name);
    if (!tensor.type->real) {
      if (name != redraw_counter) {
        out_.skipped.push_back(tensor.name + " (" + std::string(tensor.type->name) + " tensor)");
      }
      return;
    }
    if (!names_.insert(name).second) {
      throw FormatError("holds two weights called '" + name + "'");
    }
    out_.weights.emplace_back(name, values_of(tensor, data_));
  }

  void read_metadata(const Json& metadata) {
    if (metadata.kind != Json::Kind::object) {
      throw FormatError("is damaged: its __metadata__ is no object");
    }
    for (const auto& [name, value] : metadata.members) {
      if (value.kind != Json::Kind::text) {
        throw FormatError("is damaged: '" + name + "' in its __metadata__ is no text");
      }
      read_entry(name, value.text);
    }
  }

  void read_entry(const std::string& name, const std::string& text) {
    if (name == "labels") {
      out_.annotation = texts_in(name, text);
    } else if (name == "genes") {
      out_.genes = texts_in(name, text);
    } else if (name == "vocabulary") {
      out_.vocabulary = texts_in(name, text);
    } else if (name == "config") {
      if (!read_settings(text, out_)) out_.skipped.emplace_back("config (metadata)");
    } else if (name == "positions") {
      out_.positions = text;
    } else if (name != "format" && !(name == checksum_entry && is_own_checksum(text))) {
      out_.skipped.push_back(name + " (metadata)");
    }
  }

  // Other programs have entries of these names too, and mean something else by them.
  std::vector<std::string> texts_in(const std::string& name, const std::string& text) {
    if (const std::optional<Json> json = json_if_any(text)) {
      if (auto texts = json_texts(*json)) return *std::move(texts);
    }
    out_.skipped.push_back(name + " (metadata)");
    return {};
  }

  std::string_view header_;
  std::string_view data_;
  std::set<std::string> names_;
  Checkpoint out_;
};

}  // namespace

bool is_safetensors(std::string_view bytes) {
  return bytes.size() > size_bytes && bytes[size_bytes] == '{';
}

Checkpoint read_safetensors(std::string_view bytes) { return SafetensorsReader(bytes).read(); }

}  // namespace canal::io
