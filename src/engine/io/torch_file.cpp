#include "engine/io/torch_file.h"

#include <memory>
#include <string>
#include <unordered_map>

#include "engine/io/bytes.h"
#include "engine/io/pickle_values.h"
#include "engine/io/zip_file.h"

namespace canal::io {

namespace {

// 0x1950a86a20f9469cfc6c, ten bytes of a long integer, opens every legacy file.
constexpr std::string_view legacy_magic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr int64_t legacy_protocol = 1001;

TorchFile open_zip(std::string_view bytes) {
  const auto zip = std::make_shared<ZipFile>(bytes);
  const std::string name = zip->name_ending("/data.pkl");
  if (name.empty()) throw FormatError("is a zip file without a 'data.pkl': no file of torch.save");
  const std::string folder = name.substr(0, name.size() - std::string("data.pkl").size());
  if (zip->has(folder + "byteorder") && zip->read(folder + "byteorder") != "little") {
    throw FormatError("holds big-endian numbers, which canalR does not read");
  }
  TorchFile file;
  file.pickle = read_pickle(zip->read(name), 0);
  file.storage = [zip, folder](std::string_view key) {
    return zip->read(folder + "data/" + std::string(key));
  };
  return file;
}

// The opcodes before the number differ from protocol to protocol.
bool is_legacy(std::string_view bytes) {
  constexpr size_t longest_start = 24;
  return !bytes.empty() && bytes[0] == '\x80' &&
         bytes.substr(0, longest_start).find(legacy_magic) != std::string_view::npos;
}

// The file's header says nothing but its protocol and the byte order. Returns where it ends.
size_t read_legacy_header(std::string_view bytes) {
  const Pickle magic = read_pickle(bytes, 0);
  if (magic.node(magic.root).text != legacy_magic) throw FormatError("is damaged at its start");
  const Pickle protocol = read_pickle(bytes, magic.end);
  if (integer_of(protocol, protocol.root) != legacy_protocol) {
    throw FormatError("is a legacy file of torch.save with an unknown protocol");
  }
  const Pickle system = read_pickle(bytes, protocol.end);
  const std::optional<Entries> entries = entries_of(system, system.root);
  if (!entries) throw FormatError("is damaged: its legacy header is no dict");
  for (const auto& [name, value] : *entries) {
    if (name != "little_endian") continue;
    if (system.node(value).integer == 1) return system.end;
    throw FormatError("holds big-endian numbers, which canalR does not read");
  }
  throw FormatError("is damaged: its legacy header has no byte order");
}

// Bytes per number of a legacy storage, by the name of its type.
size_t legacy_width(std::string_view type) {
  struct Width {
    std::string_view ending;
    size_t bytes;
  };
  constexpr Width widths[] = {{"ComplexDoubleStorage", 16},
                              {"ComplexFloatStorage", 8},
                              {"DoubleStorage", 8},
                              {"LongStorage", 8},
                              {"BFloat16Storage", 2},
                              {"FloatStorage", 4},
                              {"IntStorage", 4},
                              {"HalfStorage", 2},
                              {"ShortStorage", 2},
                              {"CharStorage", 1},
                              {"ByteStorage", 1},
                              {"BoolStorage", 1},
                              {"UntypedStorage", 1}};
  const std::string_view name = type.substr(type.rfind('.') + 1);
  for (const Width& width : widths) {
    if (name == width.ending) return width.bytes;
  }
  throw FormatError("holds a legacy storage of the unknown type " + std::string(type));
}

// The type of each storage is told only where the pickle speaks of it.
std::unordered_map<std::string, size_t> storage_widths(const Pickle& pickle) {
  std::unordered_map<std::string, size_t> widths;
  for (NodeId id = 0; id < pickle.nodes.size(); ++id) {
    if (pickle.node(id).kind != NodeKind::persistent) continue;
    const std::vector<NodeId>* parts = items_of(pickle, pickle.parts_of(id).arguments);
    if (parts == nullptr || parts->size() < 5) continue;
    const Node& type = pickle.node((*parts)[1]);
    const std::optional<std::string_view> key = text_of(pickle, (*parts)[2]);
    if (type.kind == NodeKind::global && key) widths[std::string(*key)] = legacy_width(type.text);
  }
  return widths;
}

using Storages = std::unordered_map<std::string, std::string_view>;

// After the pickle: the list of keys, then for each its number of elements and the elements.
std::shared_ptr<Storages> read_legacy_storages(std::string_view bytes, const Pickle& pickle) {
  const std::unordered_map<std::string, size_t> widths = storage_widths(pickle);
  const Pickle keys = read_pickle(bytes, pickle.end);
  const std::vector<NodeId>* list = items_of(keys, keys.root);
  if (list == nullptr) throw FormatError("is damaged: its legacy list of storages is no list");
  ByteReader in(bytes, keys.end);
  const auto storages = std::make_shared<Storages>();
  for (const NodeId item : *list) {
    const std::optional<std::string_view> key = text_of(keys, item);
    const auto width = widths.find(key ? std::string(*key) : std::string());
    if (width == widths.end()) throw FormatError("is damaged: it holds a storage nobody refers to");
    const auto count = in.little<uint64_t>("the size of a storage");
    if (count > in.remaining() / width->second) {
      throw FormatError("is truncated: storage '" + width->first + "' should hold " +
                        std::to_string(count) + " numbers, and " + std::to_string(in.remaining()) +
                        " bytes are left");
    }
    (*storages)[width->first] = in.take(count * width->second, "a storage");
  }
  return storages;
}

TorchFile open_legacy(std::string_view bytes) {
  TorchFile file;
  file.pickle = read_pickle(bytes, read_legacy_header(bytes));
  const auto storages = read_legacy_storages(bytes, file.pickle);
  file.storage = [storages](std::string_view key) {
    const auto found = storages->find(std::string(key));
    if (found == storages->end()) {
      throw FormatError("is damaged: it has no storage '" + std::string(key) + "'");
    }
    return found->second;
  };
  return file;
}

}  // namespace

TorchFile open_torch_file(std::string_view bytes) {
  if (ZipFile::is_zip(bytes)) return open_zip(bytes);
  if (is_legacy(bytes)) return open_legacy(bytes);
  if (bytes.empty()) throw FormatError("is empty");
  throw FormatError(
      "is no file of torch.save, neither of its zip nor of its legacy form, and no .safetensors");
}

}  // namespace canal::io
