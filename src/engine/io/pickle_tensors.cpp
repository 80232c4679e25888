#include "engine/io/pickle_tensors.h"

#include <array>

#include "engine/io/format_error.h"
#include "engine/io/pickle_table.h"
#include "engine/io/pickle_values.h"

namespace canal::io {

namespace {

struct StorageType {
  std::string_view name;
  Element element;
};

constexpr std::array<StorageType, 10> storage_types{{{"FloatStorage", Element::float32},
                                                     {"DoubleStorage", Element::float64},
                                                     {"HalfStorage", Element::float16},
                                                     {"BFloat16Storage", Element::bfloat16},
                                                     {"LongStorage", Element::int64},
                                                     {"IntStorage", Element::int32},
                                                     {"ShortStorage", Element::int16},
                                                     {"CharStorage", Element::int8},
                                                     {"ByteStorage", Element::uint8},
                                                     {"BoolStorage", Element::boolean}}};

// "torch.FloatStorage", "torch.cuda.FloatStorage": the device plays no part.
std::optional<Element> storage_element(std::string_view global) {
  if (pickle_global(global) == nullptr) return std::nullopt;
  const std::string_view name = global.substr(global.rfind('.') + 1);
  for (const StorageType& type : storage_types) {
    if (type.name == name) return type.element;
  }
  return std::nullopt;
}

struct Storage {
  Element element;
  std::string_view bytes;
};

// Legacy files describe a part of another storage by (key, offset, size), in elements.
std::string_view part_of_storage(const Pickle& pickle, NodeId view, std::string_view bytes,
                                 size_t width) {
  const std::vector<NodeId>* items = items_of(pickle, view);
  if (items == nullptr) return bytes;
  if (items->size() != 3) throw FormatError("is damaged: a storage view has not three parts");
  const std::optional<int64_t> offset = integer_of(pickle, (*items)[1]);
  const std::optional<int64_t> size = integer_of(pickle, (*items)[2]);
  const auto held = static_cast<int64_t>(bytes.size() / width);
  if (!offset || !size || *offset < 0 || *size < 0 || *offset > held || *size > held - *offset) {
    throw FormatError("is damaged: a storage view passes the end of its storage");
  }
  return bytes.substr(static_cast<size_t>(*offset) * width, static_cast<size_t>(*size) * width);
}

// ('storage', type, key, location, elements[, view])
std::optional<Storage> storage_at(const TorchFile& file, NodeId id) {
  const Pickle& pickle = file.pickle;
  if (pickle.node(id).kind != NodeKind::persistent) return std::nullopt;
  const std::vector<NodeId>* parts = items_of(pickle, pickle.parts_of(id).arguments);
  if (parts == nullptr || parts->size() < 5 || text_of(pickle, (*parts)[0]) != "storage") {
    throw FormatError("is damaged: a storage is not described as one");
  }
  const Node& type = pickle.node((*parts)[1]);
  const std::optional<std::string_view> key = text_of(pickle, (*parts)[2]);
  const std::optional<int64_t> count = integer_of(pickle, (*parts)[4]);
  if (type.kind != NodeKind::global || !key || !count || *count < 0) {
    throw FormatError("is damaged: a storage's type, key or size is missing");
  }
  const std::optional<Element> element = storage_element(type.text);
  if (!element) return std::nullopt;
  const std::string_view bytes = file.storage(*key);
  const size_t width = element_size(*element);
  if (static_cast<uint64_t>(*count) > bytes.size() / width) {
    throw FormatError("is truncated or damaged: storage '" + std::string(*key) + "' should hold " +
                      std::to_string(*count) + " numbers and has " + std::to_string(bytes.size()) +
                      " bytes");
  }
  const std::string_view used = bytes.substr(0, static_cast<size_t>(*count) * width);
  if (parts->size() < 6) return Storage{*element, used};
  return Storage{*element, part_of_storage(pickle, (*parts)[5], used, width)};
}

[[noreturn]] void fail_bounds(int64_t held) {
  throw FormatError("is damaged: a tensor reaches beyond its storage of " + std::to_string(held) +
                    " numbers");
}

// The last element the view reaches must lie inside the storage, and a view may not be larger than
// what it looks at: a few bytes could otherwise ask for any amount of memory.
void check_bounds(const TensorView& view, int64_t held) {
  for (const int64_t extent : view.shape) {
    if (extent < 0) fail_bounds(held);
  }
  for (const int64_t extent : view.shape) {
    if (extent == 0) return;
  }
  if (view.offset < 0 || view.offset >= held) fail_bounds(held);
  int64_t count = 1;
  int64_t last = view.offset;
  for (size_t d = 0; d < view.shape.size(); ++d) {
    const int64_t extent = view.shape[d];
    const int64_t stride = view.strides[d];
    if (extent == 1) continue;
    if (count > held / extent) fail_bounds(held);
    if (stride < 0 || stride > (held - 1 - last) / (extent - 1)) fail_bounds(held);
    count *= extent;
    last += stride * (extent - 1);
  }
}

// The stride of a dimension of one element means nothing and may be anything.
void clear_unused_strides(TensorView& view) {
  for (size_t d = 0; d < view.shape.size(); ++d) {
    if (view.shape[d] <= 1) view.strides[d] = 0;
  }
}

std::optional<TensorView> strided_tensor(const TorchFile& file,
                                         const std::vector<NodeId>& arguments) {
  const std::optional<Storage> storage = storage_at(file, arguments[0]);
  if (!storage) return std::nullopt;
  const std::optional<int64_t> offset = integer_of(file.pickle, arguments[1]);
  if (!offset) throw FormatError("is damaged: a tensor's offset is no integer");
  TensorView view{{storage->element, false},
                  integers_of(file.pickle, arguments[2], "a tensor's shape"),
                  integers_of(file.pickle, arguments[3], "a tensor's strides"),
                  *offset,
                  storage->bytes};
  if (view.shape.size() != view.strides.size() || view.shape.size() > 64) {
    throw FormatError("is damaged: a tensor's shape and strides do not fit together");
  }
  check_bounds(view, static_cast<int64_t>(view.storage.size() / element_size(view.type.element)));
  clear_unused_strides(view);
  return view;
}

// A call that a subclass or Python attributes have wrapped: (function, type, arguments, state).
struct Call {
  std::string_view function;
  NodeId arguments;
};

Call call_at(const Pickle& pickle, NodeId id) {
  const std::string_view maker = maker_of(pickle, id);
  if (maker != "torch._tensor._rebuild_from_type_v2") {
    return {maker, maker.empty() ? no_node : pickle.parts_of(id).arguments};
  }
  const std::vector<NodeId>& arguments = arguments_of(pickle, id, 3);
  const Node& function = pickle.node(arguments[0]);
  if (function.kind != NodeKind::global || pickle_global(function.text) == nullptr) {
    return {{}, no_node};
  }
  return {function.text, arguments[2]};
}

// Steps to the next innermost dimension that can still grow. Returns false at the end.
bool advance(const TensorView& view, std::vector<int64_t>& index, int64_t& at) {
  for (size_t d = view.shape.size(); d-- > 0;) {
    at += view.strides[d];
    if (++index[d] < view.shape[d]) return true;
    at -= view.strides[d] * view.shape[d];
    index[d] = 0;
  }
  return false;
}

template <class Take>
void for_each_element(const TensorView& view, int64_t count, Take&& take) {
  if (count == 0) return;
  const auto width = static_cast<int64_t>(element_size(view.type.element));
  std::vector<int64_t> index(view.shape.size(), 0);
  int64_t at = view.offset;
  do {
    take(view.storage.data() + at * width);
  } while (advance(view, index, at));
}

}  // namespace

std::optional<TensorView> tensor_at(const TorchFile& file, NodeId id) {
  // A parameter holds a tensor, a typed tensor a call: two steps are the most torch writes.
  for (int step = 0; step < 4; ++step) {
    const Call call = call_at(file.pickle, id);
    if (call.function.empty()) return std::nullopt;
    const std::vector<NodeId>* arguments = items_of(file.pickle, call.arguments);
    if (arguments == nullptr) return std::nullopt;
    const bool parameter = call.function == "torch._utils._rebuild_parameter" ||
                           call.function == "torch._utils._rebuild_parameter_with_state";
    const bool tensor = call.function == "torch._utils._rebuild_tensor" ||
                        call.function == "torch._utils._rebuild_tensor_v2";
    if (!parameter && !tensor) return std::nullopt;
    if (arguments->size() < (parameter ? 1u : 4u)) {
      throw FormatError("is damaged: a tensor lacks a part of its description");
    }
    if (tensor) return strided_tensor(file, *arguments);
    id = arguments->front();
  }
  return std::nullopt;
}

FloatArray to_float_array(const TensorView& view) {
  FloatArray array{view.shape, {}};
  const int64_t count = element_count(view.shape);
  array.values.reserve(static_cast<size_t>(count));
  for_each_element(view, count, [&](const char* at) {
    array.values.push_back(static_cast<float>(load_number(view.type, at)));
  });
  return array;
}

std::vector<int64_t> to_integers(const TensorView& view) {
  std::vector<int64_t> numbers;
  for_each_element(view, element_count(view.shape),
                   [&](const char* at) { numbers.push_back(load_integer(view.type, at)); });
  return numbers;
}

}  // namespace canal::io
