#include "engine/io/pickle_numpy.h"

#include <algorithm>

#include "engine/io/bytes.h"
#include "engine/io/element.h"
#include "engine/io/pickle_text.h"
#include "engine/io/pickle_values.h"

namespace canal::io {

namespace {

bool ends_with(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

// numpy 2 has moved its modules: numpy.core.multiarray, numpy._core.multiarray.
bool is_numpy_call(const Pickle& pickle, NodeId id, std::string_view function) {
  const std::string_view maker = maker_of(pickle, id);
  return maker.substr(0, 6) == "numpy." && ends_with(maker, function);
}

struct DataType {
  char order;    // '<', '>', '|' or '='
  char letter;   // 'f', 'i', 'u', 'b', 'U', 'O', ...
  int64_t size;  // as written: bytes, of a unicode type characters
};

std::optional<DataType> parse_data_type(std::string_view text) {
  DataType type{'<', ' ', 0};
  if (!text.empty() && std::string_view("<>|=").find(text[0]) != std::string_view::npos) {
    type.order = text[0];
    text.remove_prefix(1);
  }
  if (text.empty()) return std::nullopt;
  type.letter = text[0];
  for (const char digit : text.substr(1)) {
    if (digit < '0' || digit > '9' || type.size > 100000000) return std::nullopt;
    type.size = type.size * 10 + (digit - '0');
  }
  return type;
}

// numpy.dtype('i8', False, True) with the state (version, order, subtype, names, fields, ...).
std::optional<DataType> data_type_at(const Pickle& pickle, NodeId id) {
  if (!is_object_of(pickle, id, "numpy.dtype")) return std::nullopt;
  const std::optional<std::string_view> text = text_of(pickle, arguments_of(pickle, id, 1)[0]);
  if (!text) return std::nullopt;
  std::optional<DataType> type = parse_data_type(*text);
  const NodeId state = pickle.parts_of(id).state;
  if (!type || state == no_node) return type;
  const std::vector<NodeId>* parts = items_of(pickle, state);
  if (parts == nullptr || parts->size() < 5) {
    throw FormatError("is damaged: the state of a numpy type is no tuple of five or more");
  }
  const bool simple = pickle.node((*parts)[2]).kind == NodeKind::none &&
                      pickle.node((*parts)[3]).kind == NodeKind::none;
  const std::optional<std::string_view> order = text_of(pickle, (*parts)[1]);
  if (!simple || !order || order->size() != 1) return std::nullopt;
  type->order = order->front();
  return type;
}

std::optional<ElementType> element_of(const DataType& type) {
  if (type.size < 1 || type.size > 8) return std::nullopt;
  const char description[] = {type.order, type.letter, static_cast<char>('0' + type.size)};
  return element_from_numpy(std::string_view(description, sizeof(description)));
}

struct Array {
  DataType type;
  std::vector<int64_t> shape;
  NodeId data;        // bytes, or the list of an object array
  bool column_major;  // of bytes; lists are row-major in any case
};

std::optional<Array> array_from(const Pickle& pickle, NodeId type, NodeId shape, NodeId data,
                                bool column_major) {
  const std::optional<DataType> data_type = data_type_at(pickle, type);
  if (!data_type) return std::nullopt;
  return Array{*data_type, integers_of(pickle, shape, "a numpy array's shape"), data, column_major};
}

std::optional<Array> array_at(const Pickle& pickle, NodeId id) {
  if (is_numpy_call(pickle, id, "multiarray._reconstruct")) {
    const NodeId state = pickle.parts_of(id).state;
    const std::vector<NodeId>* parts = state == no_node ? nullptr : items_of(pickle, state);
    if (parts == nullptr || parts->size() != 5) {
      throw FormatError("is damaged: the state of a numpy array is no tuple of five");
    }
    const Node& order = pickle.node((*parts)[3]);
    const bool column_major = order.kind == NodeKind::boolean && order.integer == 1;
    return array_from(pickle, (*parts)[2], (*parts)[1], (*parts)[4], column_major);
  }
  if (is_numpy_call(pickle, id, "numeric._frombuffer")) {
    const std::vector<NodeId>& arguments = arguments_of(pickle, id, 3);
    const bool column_major = arguments.size() > 3 && text_of(pickle, arguments[3]) == "F";
    return array_from(pickle, arguments[1], arguments[2], arguments[0], column_major);
  }
  return std::nullopt;
}

// As bytes_of(): a pickle may refer to the same ones again and again.
std::optional<std::string> paid_bytes(const Pickle& pickle, NodeId data, Budget& budget) {
  std::optional<std::string> bytes = bytes_of(pickle, data);
  budget.spend(1 + static_cast<int64_t>(bytes ? bytes->size() : 0) / 8, "the bytes of its arrays");
  return bytes;
}

// The bytes of `count` items of `width` bytes each, no more and no fewer.
std::string array_bytes(const Pickle& pickle, NodeId data, int64_t count, int64_t width,
                        Budget& budget) {
  std::optional<std::string> bytes = paid_bytes(pickle, data, budget);
  const bool fits = bytes && count >= 0 && width > 0 &&
                    bytes->size() % static_cast<size_t>(width) == 0 &&
                    bytes->size() / static_cast<size_t>(width) == static_cast<size_t>(count);
  if (!fits) throw FormatError("is damaged: a numpy array's bytes do not fit its shape and type");
  return *std::move(bytes);
}

// numpy pads texts of four-byte characters with zeros to one length.
std::string text_from_ucs4(std::string_view bytes, bool big_endian) {
  std::string text;
  for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    const auto character = static_cast<uint32_t>(load_bits(bytes.data() + i, 4, big_endian));
    if (character == 0) break;
    append_utf8(text, character);
  }
  return text;
}

std::vector<std::string> texts_from_ucs4(const Pickle& pickle, const DataType& type, NodeId data,
                                         int64_t count, Budget& budget) {
  const int64_t width = 4 * type.size;
  const std::string bytes = array_bytes(pickle, data, count, width, budget);
  budget.spend(count, "the texts of its arrays");
  std::vector<std::string> texts;
  for (size_t i = 0; i < bytes.size(); i += static_cast<size_t>(width)) {
    const auto item = std::string_view(bytes).substr(i, static_cast<size_t>(width));
    texts.push_back(text_from_ucs4(item, type.order == '>'));
  }
  return texts;
}

std::optional<int64_t> scalar_integer(const Pickle& pickle, NodeId id, Budget& budget) {
  if (const auto number = integer_of(pickle, id)) return number;
  if (!is_numpy_call(pickle, id, "multiarray.scalar")) return std::nullopt;
  const std::vector<NodeId>& arguments = arguments_of(pickle, id, 2);
  const std::optional<DataType> type = data_type_at(pickle, arguments[0]);
  const std::optional<ElementType> element = type ? element_of(*type) : std::nullopt;
  if (!element || is_real(element->element)) return std::nullopt;
  return load_integer(*element, array_bytes(pickle, arguments[1], 1, type->size, budget).data());
}

// How many items a shape has, no more than `held`, so that the product cannot overflow.
int64_t count_of(const std::vector<int64_t>& shape, int64_t held) {
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  int64_t count = empty ? 0 : 1;
  for (const int64_t extent : shape) {
    if (extent < 0 || (!empty && count > held / extent)) {
      throw FormatError("is damaged: a numpy array's data do not fit its shape");
    }
    count *= extent;
  }
  return count;
}

// Items of a matrix that lie by columns, by rows. Arrays of one dimension are both.
template <class Value>
void to_row_major(PickledArray<Value>& array) {
  if (array.shape.size() != 2) return;
  const auto rows = static_cast<size_t>(array.shape[0]);
  const auto columns = static_cast<size_t>(array.shape[1]);
  std::vector<Value> sorted(array.items.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    sorted[i] = array.items[(i % columns) * rows + i / columns];
  }
  array.items = std::move(sorted);
}

template <class Value, class Convert>
std::optional<std::vector<Value>> convert_items(const std::vector<NodeId>& items,
                                                Convert&& convert) {
  std::vector<Value> values;
  for (const NodeId item : items) {
    std::optional<Value> value = convert(item);
    if (!value) return std::nullopt;
    values.push_back(*std::move(value));
  }
  return values;
}

}  // namespace

std::optional<std::string> scalar_text(const Pickle& pickle, NodeId id, Budget& budget) {
  if (const auto text = text_of(pickle, id)) {
    budget.spend(1 + static_cast<int64_t>(text->size()), "its texts");
    return std::string(*text);
  }
  if (!is_numpy_call(pickle, id, "multiarray.scalar")) return std::nullopt;
  const std::vector<NodeId>& arguments = arguments_of(pickle, id, 2);
  const std::optional<DataType> type = data_type_at(pickle, arguments[0]);
  if (!type || type->letter != 'U' || type->size == 0) return std::nullopt;
  return texts_from_ucs4(pickle, *type, arguments[1], 1, budget).front();
}

std::optional<double> scalar_number(const Pickle& pickle, NodeId id, Budget& budget) {
  const Node& node = pickle.node(id);
  if (node.kind == NodeKind::real) return node.real;
  if (node.kind == NodeKind::integer) return static_cast<double>(node.integer);
  if (!is_numpy_call(pickle, id, "multiarray.scalar")) return std::nullopt;
  const std::vector<NodeId>& arguments = arguments_of(pickle, id, 2);
  const std::optional<DataType> type = data_type_at(pickle, arguments[0]);
  const std::optional<ElementType> element = type ? element_of(*type) : std::nullopt;
  if (!element) return std::nullopt;
  return load_number(*element, array_bytes(pickle, arguments[1], 1, type->size, budget).data());
}

std::optional<PickledArray<double>> numbers_at(const Pickle& pickle, NodeId id, Budget& budget) {
  const std::optional<Array> array = array_at(pickle, id);
  const std::optional<ElementType> element = array ? element_of(array->type) : std::nullopt;
  // What is not stored by rows can be put in order only where there are rows and columns.
  if (!element || (array->column_major && array->shape.size() > 2)) return std::nullopt;
  const int64_t width = array->type.size;
  const std::string bytes = paid_bytes(pickle, array->data, budget).value_or("");
  const auto held = static_cast<int64_t>(bytes.size());
  if (held % width != 0 || count_of(array->shape, held / width) != held / width) {
    throw FormatError("is damaged: a numpy array's bytes do not fit its shape and type");
  }
  budget.spend(held / width, "the numbers of its arrays");
  PickledArray<double> out{array->shape, {}};
  out.items.reserve(static_cast<size_t>(held / width));
  for (size_t i = 0; i < bytes.size(); i += static_cast<size_t>(width)) {
    out.items.push_back(load_number(*element, bytes.data() + i));
  }
  if (array->column_major) to_row_major(out);
  return out;
}

std::optional<PickledArray<NodeId>> objects_at(const Pickle& pickle, NodeId id, Budget& budget) {
  const std::optional<Array> array = array_at(pickle, id);
  if (!array || array->type.letter != 'O') return std::nullopt;
  const std::vector<NodeId>* items = items_of(pickle, array->data);
  const auto held = items == nullptr ? 0 : static_cast<int64_t>(items->size());
  if (items == nullptr || count_of(array->shape, held) != held) {
    throw FormatError("is damaged: a numpy array's objects do not fit its shape");
  }
  budget.spend(held, "the items of its arrays");
  return PickledArray<NodeId>{array->shape, *items};
}

std::optional<std::vector<std::string>> texts_at(const Pickle& pickle, NodeId id, Budget& budget) {
  const auto convert = [&](NodeId item) { return scalar_text(pickle, item, budget); };
  const std::vector<NodeId>* items = items_of(pickle, id);
  if (items != nullptr) return convert_items<std::string>(*items, convert);
  const std::optional<Array> array = array_at(pickle, id);
  if (!array || array->shape.size() != 1) return std::nullopt;
  if (array->type.letter == 'U' && array->type.size > 0) {
    return texts_from_ucs4(pickle, array->type, array->data, array->shape[0], budget);
  }
  if (array->type.letter != 'O') return std::nullopt;
  items = items_of(pickle, array->data);
  if (items == nullptr || static_cast<int64_t>(items->size()) != array->shape[0]) {
    throw FormatError("is damaged: a numpy array's objects do not fit its shape");
  }
  return convert_items<std::string>(*items, convert);
}

std::optional<std::vector<int64_t>> integers_at(const Pickle& pickle, NodeId id, Budget& budget) {
  const std::vector<NodeId>* items = items_of(pickle, id);
  if (items != nullptr) {
    budget.spend(static_cast<int64_t>(items->size()), "the numbers of its lists");
    const auto convert = [&](NodeId item) { return scalar_integer(pickle, item, budget); };
    return convert_items<int64_t>(*items, convert);
  }
  const std::optional<Array> array = array_at(pickle, id);
  if (!array || array->shape.size() != 1) return std::nullopt;
  const std::optional<ElementType> element = element_of(array->type);
  const bool integers =
      element && !is_real(element->element) && element->element != Element::boolean;
  if (!integers) return std::nullopt;
  const std::string bytes =
      array_bytes(pickle, array->data, array->shape[0], array->type.size, budget);
  budget.spend(array->shape[0], "the numbers of its arrays");
  std::vector<int64_t> numbers;
  const size_t width = element_size(element->element);
  for (size_t i = 0; i < bytes.size(); i += width) {
    numbers.push_back(load_integer(*element, bytes.data() + i));
  }
  return numbers;
}

}  // namespace canal::io
