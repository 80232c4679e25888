#include "engine/io/pickle_pandas.h"

#include <algorithm>
#include <cmath>

#include "engine/io/pickle_numpy.h"
#include "engine/io/pickle_values.h"

namespace canal::io {

namespace {

bool ends_with(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

const Entries::value_type* entry(const Entries& entries, std::string_view name) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const auto& one) { return one.first == name; });
  return found == entries.end() ? nullptr : &*found;
}

// A column's values, of one kind or the other; neither where it is one that canalR has no use for.
struct Column {
  std::optional<std::vector<std::string>> texts;
  std::optional<std::vector<double>> numbers;
};

// Values of a block: columns x rows.
struct Block {
  std::vector<Column> columns;
  std::vector<int64_t> places;  // of the columns in the table
};

Tree tree_of(Column column) {
  Tree tree;
  if (column.texts) {
    tree.kind = Tree::Kind::text;
    tree.text = *std::move(column.texts);
    tree.shape = {static_cast<int64_t>(tree.text.size())};
  } else {
    tree.kind = Tree::Kind::float64;
    tree.float64 = *std::move(column.numbers);
    tree.shape = {static_cast<int64_t>(tree.float64.size())};
  }
  return tree;
}

class TableReader {
 public:
  TableReader(const Pickle& pickle, Budget& budget) : pickle_(pickle), budget_(budget) {}

  Table read(NodeId id) {
    if (!ends_with(maker_of(pickle_, id), "DataFrame") &&
        !ends_with(maker_of(pickle_, id), "DataFrameView")) {
      throw FormatError("holds a " + kind_name(pickle_, id) + " where a DataFrame is expected");
    }
    const Entries attributes = attributes_of(id);
    const auto* manager = entry(attributes, "_mgr");
    if (manager == nullptr) manager = entry(attributes, "_data");  // before pandas 1.1
    if (manager == nullptr || !ends_with(maker_of(pickle_, manager->second), "BlockManager")) {
      throw FormatError("holds a DataFrame of an unknown layout");
    }
    return pickle_.parts_of(manager->second).state == no_node ? from_arguments(manager->second)
                                                              : from_state(manager->second);
  }

  std::vector<std::string> index(NodeId id) {
    if (!ends_with(maker_of(pickle_, id), "_new_Index")) {
      throw FormatError("holds a " + kind_name(pickle_, id) + " where an index is expected");
    }
    const std::optional<Entries> parts = entries(arguments_of(pickle_, id, 2)[1]);
    if (!parts) throw FormatError("holds an index of an unknown layout");
    if (const auto* data = entry(*parts, "data")) return labels(data->second);
    return range(*parts);
  }

 private:
  // Paid for: many blocks may be described by one and the same dict.
  std::optional<Entries> entries(NodeId id) {
    std::optional<Entries> found = entries_of(pickle_, id);
    budget_.spend(static_cast<int64_t>(found ? found->size() : 0), "the parts of a table");
    return found;
  }

  // The attributes that BUILD would have set; none where the state is no dict.
  Entries attributes_of(NodeId id) {
    const NodeId state = pickle_.parts_of(id).state;
    if (state == no_node) return {};
    return entries(state).value_or(Entries{});
  }

  // From pandas 1.3: BlockManager((block, ...), [columns, rows]).
  Table from_arguments(NodeId manager) {
    const std::vector<NodeId>& arguments = arguments_of(pickle_, manager, 2);
    std::vector<Block> blocks;
    for (const NodeId block : items(arguments[0], "a DataFrame's blocks")) {
      if (!ends_with(maker_of(pickle_, block), "_unpickle_block")) {
        throw FormatError("holds a DataFrame with a block of an unknown layout");
      }
      const std::vector<NodeId>& parts = arguments_of(pickle_, block, 2);
      blocks.push_back(block_of(parts[0], parts[1]));
    }
    return assemble(arguments[1], std::move(blocks));
  }

  // Before: a state (axes, values, items, {"0.14.1": {"axes": ..., "blocks": [{...}]}}).
  Table from_state(NodeId manager) {
    const std::vector<NodeId>& state =
        items(pickle_.parts_of(manager).state, "a DataFrame's state");
    const std::optional<Entries> versions = state.size() < 4 ? std::nullopt : entries(state[3]);
    const auto* version = versions ? entry(*versions, "0.14.1") : nullptr;
    const std::optional<Entries> parts = version ? entries(version->second) : std::nullopt;
    const auto* axes = parts ? entry(*parts, "axes") : nullptr;
    const auto* list = parts ? entry(*parts, "blocks") : nullptr;
    if (axes == nullptr || list == nullptr) {
      throw FormatError("holds a DataFrame of an unknown layout");
    }
    std::vector<Block> blocks;
    for (const NodeId block : items(list->second, "a DataFrame's blocks")) {
      const Entries described = entries(block).value_or(Entries{});
      const auto* values = entry(described, "values");
      const auto* places = entry(described, "mgr_locs");
      if (values == nullptr || places == nullptr) {
        throw FormatError("holds a DataFrame with a block of an unknown layout");
      }
      blocks.push_back(block_of(values->second, places->second));
    }
    return assemble(axes->second, std::move(blocks));
  }

  Table assemble(NodeId axes, std::vector<Block> blocks) {
    const std::vector<NodeId>& parts = items(axes, "a DataFrame's axes");
    if (parts.size() != 2) throw FormatError("holds a DataFrame that has not two axes");
    const std::vector<std::string> names = index(parts[0]);
    std::vector<std::optional<Tree>> columns(names.size());
    Table table{index(parts[1]), {}};
    for (Block& block : blocks) place(block, table.rows.size(), columns);
    for (size_t i = 0; i < names.size(); ++i) {
      if (columns[i]) table.columns.children.emplace_back(names[i], *std::move(columns[i]));
    }
    return table;
  }

  static void place(Block& block, size_t rows, std::vector<std::optional<Tree>>& columns) {
    if (block.places.size() != block.columns.size()) {
      throw FormatError("is damaged: a DataFrame's block has columns without a place");
    }
    for (size_t i = 0; i < block.columns.size(); ++i) {
      Column& column = block.columns[i];
      const int64_t at = block.places[i];
      if (at < 0 || static_cast<size_t>(at) >= columns.size()) {
        throw FormatError("is damaged: a DataFrame's column lies outside the table");
      }
      if (!column.texts && !column.numbers) continue;
      const size_t held = column.texts ? column.texts->size() : column.numbers->size();
      if (held != rows) throw FormatError("is damaged: a DataFrame's columns differ in length");
      columns[static_cast<size_t>(at)] = tree_of(std::move(column));
    }
  }

  Block block_of(NodeId values, NodeId places) {
    Block block{columns_of(values), places_of(places)};
    // A block of a kind that is not read still has its places.
    if (block.columns.empty()) block.columns.resize(block.places.size());
    return block;
  }

  std::vector<int64_t> places_of(NodeId id) {
    const std::string_view maker = maker_of(pickle_, id);
    if (maker != "__builtin__.slice" && maker != "builtins.slice") {
      std::optional<std::vector<int64_t>> places = integers_at(pickle_, id, budget_);
      if (!places) throw FormatError("holds a DataFrame with a block of an unknown layout");
      return *std::move(places);
    }
    const std::vector<NodeId>& arguments = arguments_of(pickle_, id, 3);
    const std::optional<int64_t> step = integer_of(pickle_, arguments[2]);
    const bool unset = pickle_.node(arguments[2]).kind == NodeKind::none;
    return steps(integer_of(pickle_, arguments[0]), integer_of(pickle_, arguments[1]),
                 unset ? 1 : step);
  }

  std::vector<std::string> range(const Entries& parts) {
    const auto number = [&](const char* name) -> std::optional<int64_t> {
      const auto* part = entry(parts, name);
      return part == nullptr ? std::nullopt : integer_of(pickle_, part->second);
    };
    std::vector<std::string> names;
    for (const int64_t at : steps(number("start"), number("stop"), number("step"))) {
      names.push_back(std::to_string(at));
    }
    return names;
  }

  // start, start + step, ... before stop.
  std::vector<int64_t> steps(std::optional<int64_t> start, std::optional<int64_t> stop,
                             std::optional<int64_t> step) {
    constexpr int64_t most = int64_t{1} << 40;  // far from where the sums below overflow
    const bool whole = start && stop && step && *step > 0 && *step < most && *start >= 0 &&
                       *start < most && *stop < most;
    if (!whole) throw FormatError("holds a range of numbers of an unknown kind");
    const int64_t count = *stop <= *start ? 0 : (*stop - *start + *step - 1) / *step;
    budget_.spend(count, "the rows of a table");
    std::vector<int64_t> places;
    for (int64_t at = *start; at < *stop; at += *step) places.push_back(at);
    return places;
  }

  // Texts of an index, or whole numbers as texts.
  std::vector<std::string> labels(NodeId id) {
    std::vector<Column> columns = columns_of(id);
    if (columns.size() != 1 || (!columns[0].texts && !columns[0].numbers)) {
      throw FormatError("holds an index that is neither texts nor numbers");
    }
    if (columns[0].texts) return *std::move(columns[0].texts);
    std::vector<std::string> texts;
    for (const double number : *columns[0].numbers) {
      if (std::abs(number) > 1e15 || number != std::floor(number)) {
        throw FormatError("holds an index of numbers that are not whole");
      }
      texts.push_back(std::to_string(static_cast<int64_t>(number)));
    }
    return texts;
  }

  // The columns of a block; none where it is of another kind.
  std::vector<Column> columns_of(NodeId id) {
    if (const auto codes = categorical(id)) return {Column{category_texts(*codes), {}}};
    if (auto numbers = numbers_at(pickle_, id, budget_)) return number_columns(*numbers);
    if (auto objects = objects_at(pickle_, id, budget_)) return object_columns(*objects);
    if (auto texts = texts_at(pickle_, id, budget_)) return {Column{std::move(texts), {}}};
    return {};
  }

  // Rows of a one- or two-dimensional block; one dimension is one column.
  template <class Value, class Convert>
  std::vector<Column> split(const PickledArray<Value>& array, Convert&& convert) {
    if (array.shape.empty() || array.shape.size() > 2) return {};
    const auto length = static_cast<size_t>(array.shape.back());
    const size_t count = array.shape.size() == 1 ? 1 : static_cast<size_t>(array.shape[0]);
    budget_.spend(static_cast<int64_t>(count), "the columns of a table");
    std::vector<Column> columns;
    for (size_t i = 0; i < count; ++i) {
      const auto first = array.items.begin() + static_cast<std::ptrdiff_t>(i * length);
      columns.push_back(
          convert(std::vector<Value>(first, first + static_cast<std::ptrdiff_t>(length))));
    }
    return columns;
  }

  std::vector<Column> number_columns(const PickledArray<double>& array) {
    return split(array, [](std::vector<double> values) { return Column{{}, std::move(values)}; });
  }

  std::vector<Column> object_columns(const PickledArray<NodeId>& array) {
    return split(array, [&](const std::vector<NodeId>& values) { return object_column(values); });
  }

  // All texts or all numbers.
  Column object_column(const std::vector<NodeId>& values) {
    std::vector<std::string> texts;
    std::vector<double> numbers;
    for (const NodeId value : values) {
      if (const auto number = scalar_number(pickle_, value, budget_)) {
        numbers.push_back(*number);
      } else if (auto text = scalar_text(pickle_, value, budget_)) {
        texts.push_back(*std::move(text));
      } else {
        return {};
      }
    }
    if (numbers.empty()) return {std::move(texts), {}};
    if (texts.empty()) return {{}, std::move(numbers)};
    return {};
  }

  struct Codes {
    NodeId type;   // CategoricalDtype
    NodeId codes;  // an integer array
  };

  std::optional<Codes> categorical(NodeId id) {
    const std::string_view maker = maker_of(pickle_, id);
    const NodeId state =
        pickle_.node(id).kind == NodeKind::object ? pickle_.parts_of(id).state : no_node;
    if (state == no_node) return std::nullopt;
    // From pandas 1.3 a state of a type and codes, in whatever order; before, attributes.
    if (const std::vector<NodeId>* parts = items_of(pickle_, state)) {
      if (!ends_with(maker, "_unpickle_NDArrayBacked")) return std::nullopt;
      Codes found{no_node, no_node};
      for (const NodeId part : *parts) {
        const std::string_view kind = maker_of(pickle_, part);
        if (ends_with(kind, "CategoricalDtype")) found.type = part;
        if (kind.substr(0, 6) == "numpy.") found.codes = part;
      }
      if (found.type == no_node || found.codes == no_node) return std::nullopt;
      return found;
    }
    if (!ends_with(maker, ".Categorical")) return std::nullopt;
    const Entries attributes = attributes_of(id);
    const auto* type = entry(attributes, "_dtype");
    const auto* codes = entry(attributes, "_codes");
    if (codes == nullptr) codes = entry(attributes, "_ndarray");
    if (type == nullptr || codes == nullptr) return std::nullopt;
    return Codes{type->second, codes->second};
  }

  // Nothing where a value is missing (code -1) or the categories are no texts.
  std::optional<std::vector<std::string>> category_texts(const Codes& found) {
    const Entries type = attributes_of(found.type);
    const auto* categories = entry(type, "categories");
    const std::optional<std::vector<int64_t>> codes = integers_at(pickle_, found.codes, budget_);
    if (categories == nullptr || !codes) return std::nullopt;
    // Categories of categories do not exist; without this, a cycle of them would never end.
    if (categories_open_) throw FormatError("is damaged: it holds categories of categories");
    categories_open_ = true;
    const std::vector<std::string> names = index(categories->second);
    categories_open_ = false;
    std::vector<std::string> texts;
    for (const int64_t code : *codes) {
      if (code == -1) return std::nullopt;
      if (code < 0 || static_cast<size_t>(code) >= names.size()) {
        throw FormatError("is damaged: a categorical's code has no category");
      }
      const std::string& name = names[static_cast<size_t>(code)];
      budget_.spend(static_cast<int64_t>(name.size()) + 1, "the texts of a table");
      texts.push_back(name);
    }
    return texts;
  }

  const std::vector<NodeId>& items(NodeId id, const char* what) const {
    const std::vector<NodeId>* found = items_of(pickle_, id);
    if (found == nullptr) throw FormatError(std::string("is damaged: ") + what + " are no list");
    return *found;
  }

  const Pickle& pickle_;
  Budget& budget_;
  bool categories_open_ = false;
};

}  // namespace

Table table_at(const Pickle& pickle, NodeId id, Budget& budget) {
  return TableReader(pickle, budget).read(id);
}

std::vector<std::string> index_at(const Pickle& pickle, NodeId id, Budget& budget) {
  return TableReader(pickle, budget).index(id);
}

}  // namespace canal::io
