#include "engine/io/pickle_values.h"

#include <algorithm>
#include <unordered_map>

#include "engine/io/format_error.h"
#include "engine/io/pickle_table.h"

namespace canal::io {

namespace {

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

bool is_dict_type(std::string_view name) {
  return name == "collections.OrderedDict" || name == "collections.defaultdict" ||
         name == "builtins.dict" || name == "__builtin__.dict";
}

// UTF-8 whose characters all are below 256, to bytes.
std::string latin1_of(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<uint8_t>(text[i]);
    if (lead < 0x80) {
      bytes += text[i];
      continue;
    }
    const bool pair = (lead == 0xc2 || lead == 0xc3) && i + 1 < text.size() &&
                      (static_cast<uint8_t>(text[i + 1]) & 0xc0) == 0x80;
    if (!pair) throw FormatError("holds bytes written as a text that is not Latin-1");
    ++i;
    bytes += static_cast<char>(((lead & 3) << 6) | (static_cast<uint8_t>(text[i]) & 0x3f));
  }
  return bytes;
}

std::optional<std::string> constructed_bytes(const Pickle& pickle, NodeId id) {
  const std::string_view maker = maker_of(pickle, id);
  const bool encoded = maker == "_codecs.encode";
  const bool constructed = maker == "builtins.bytes" || maker == "__builtin__.bytes" ||
                           maker == "builtins.bytearray" || maker == "__builtin__.bytearray";
  if (!encoded && !constructed) return std::nullopt;
  const std::vector<NodeId>& arguments = arguments_of(pickle, id, 0);
  if (arguments.empty()) return std::string();
  const Node& first = pickle.node(arguments[0]);
  if (first.kind == NodeKind::bytes) return std::string(first.text);
  if (first.kind != NodeKind::text || arguments.size() < 2) return std::nullopt;
  const std::optional<std::string_view> code = text_of(pickle, arguments[1]);
  if (code != "latin1" && code != "latin-1") return std::nullopt;
  return latin1_of(first.text);
}

// Python 2 writes an OrderedDict as a call with a list of [key, value] lists.
void append_argument_pairs(const Pickle& pickle, NodeId id,
                           std::vector<std::pair<NodeId, NodeId>>& pairs) {
  const NodeId arguments = pickle.parts_of(id).arguments;
  const std::vector<NodeId>* given = items_of(pickle, arguments);
  if (given == nullptr || given->size() != 1) return;
  const std::vector<NodeId>* rows = items_of(pickle, given->front());
  if (rows == nullptr) return;
  for (const NodeId row : *rows) {
    const std::vector<NodeId>* pair = items_of(pickle, row);
    if (pair == nullptr || pair->size() != 2) {
      throw FormatError("is damaged: an OrderedDict is not made of pairs");
    }
    pairs.emplace_back(pair->front(), pair->back());
  }
}

// Whatever global made an object.
std::string_view called_by(const Pickle& pickle, NodeId id) {
  if (pickle.node(id).kind != NodeKind::object) return {};
  const Node& callable = pickle.node(pickle.parts_of(id).callable);
  return callable.kind == NodeKind::global ? callable.text : std::string_view();
}

}  // namespace

std::string_view maker_of(const Pickle& pickle, NodeId id) {
  const std::string_view name = called_by(pickle, id);
  return pickle_global(name) == nullptr ? std::string_view() : name;
}

bool is_object_of(const Pickle& pickle, NodeId id, std::string_view name) {
  return maker_of(pickle, id) == name;
}

const std::vector<NodeId>& arguments_of(const Pickle& pickle, NodeId id, size_t count) {
  const NodeId arguments = pickle.parts_of(id).arguments;
  if (pickle.node(arguments).kind != NodeKind::tuple) {
    throw FormatError("is damaged: the arguments of a pickled object are no tuple");
  }
  const std::vector<NodeId>& items = pickle.parts_of(arguments).items;
  if (items.size() < count) {
    throw FormatError("is damaged: " + std::string(maker_of(pickle, id)) + " needs " +
                      std::to_string(count) + " arguments and has " + std::to_string(items.size()));
  }
  return items;
}

std::optional<std::string_view> text_of(const Pickle& pickle, NodeId id) {
  const Node& node = pickle.node(id);
  if (node.kind != NodeKind::text && node.kind != NodeKind::string) return std::nullopt;
  return node.text;
}

std::optional<int64_t> integer_of(const Pickle& pickle, NodeId id) {
  const Node& node = pickle.node(id);
  if (node.kind != NodeKind::integer) return std::nullopt;
  return node.integer;
}

std::optional<std::string> bytes_of(const Pickle& pickle, NodeId id) {
  const Node& node = pickle.node(id);
  if (node.kind == NodeKind::bytes || node.kind == NodeKind::string) return std::string(node.text);
  if (node.kind == NodeKind::object) return constructed_bytes(pickle, id);
  return std::nullopt;
}

const std::vector<NodeId>* items_of(const Pickle& pickle, NodeId id) {
  const NodeKind kind = pickle.node(id).kind;
  if (kind != NodeKind::tuple && kind != NodeKind::list) return nullptr;
  return &pickle.parts_of(id).items;
}

std::vector<int64_t> integers_of(const Pickle& pickle, NodeId id, const char* what) {
  const std::vector<NodeId>* items = items_of(pickle, id);
  // torch.Size(...) is a tuple of its own class.
  if (items == nullptr && is_object_of(pickle, id, "torch.Size")) {
    items = items_of(pickle, arguments_of(pickle, id, 1)[0]);
  }
  if (items == nullptr) throw FormatError(std::string("is damaged: ") + what + " is no tuple");
  std::vector<int64_t> numbers;
  numbers.reserve(items->size());
  for (const NodeId item : *items) {
    const std::optional<int64_t> number = integer_of(pickle, item);
    if (!number) throw FormatError(std::string("is damaged: ") + what + " holds no integers");
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<Entries> entries_of(const Pickle& pickle, NodeId id) {
  const bool dict = pickle.node(id).kind == NodeKind::dict || is_dict_type(maker_of(pickle, id));
  if (!dict) return std::nullopt;
  std::vector<std::pair<NodeId, NodeId>> pairs;
  if (pickle.node(id).kind == NodeKind::object) append_argument_pairs(pickle, id, pairs);
  const auto& set = pickle.parts_of(id).pairs;
  pairs.insert(pairs.end(), set.begin(), set.end());
  Entries entries;
  std::unordered_map<std::string_view, size_t> place;
  for (const auto& [key, value] : pairs) {
    const std::optional<std::string_view> name = text_of(pickle, key);
    if (!name) continue;
    const auto [found, is_new] = place.emplace(*name, entries.size());
    if (is_new) {
      entries.emplace_back(std::string(*name), value);
    } else {
      entries[found->second].second = value;
    }
  }
  return entries;
}

std::string kind_name(const Pickle& pickle, NodeId id) {
  const Node& node = pickle.node(id);
  switch (node.kind) {
    case NodeKind::none: return "None";
    case NodeKind::boolean: return "bool";
    case NodeKind::integer:
    case NodeKind::big_integer: return "int";
    case NodeKind::real: return "float";
    case NodeKind::text:
    case NodeKind::string: return "str";
    case NodeKind::bytes: return "bytes";
    case NodeKind::tuple: return "tuple";
    case NodeKind::list: return "list";
    case NodeKind::set: return "set";
    case NodeKind::dict: return "dict";
    case NodeKind::global: return "name of " + shortened(node.text);
    case NodeKind::persistent: return "storage";
    case NodeKind::object: break;
  }
  const std::string_view maker = called_by(pickle, id);
  if (starts_with(maker, "torch._utils._rebuild_")) return "tensor";
  if (starts_with(maker, "numpy.") && maker.find("scalar") == std::string_view::npos) {
    return "numpy array";
  }
  if (is_dict_type(maker)) return "dict";
  return maker.empty() ? "object" : shortened(maker);
}

std::string shortened(std::string_view name) {
  size_t longest = 200;
  if (name.size() <= longest) return std::string(name);
  while (longest > 0 && (static_cast<uint8_t>(name[longest]) & 0xc0) == 0x80) --longest;  // UTF-8
  return std::string(name.substr(0, longest)) + "...";
}

}  // namespace canal::io
