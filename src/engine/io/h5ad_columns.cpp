#include "engine/io/h5ad_columns.h"

#include <algorithm>

#include "engine/io/decimal.h"
#include "engine/io/hdf5_values.h"
#include "engine/io/tree_numbers.h"

namespace canal::io {

namespace {

std::string number_text(double value) { return write_decimal(value, 15); }

bool is_missing(const Tree& tree, size_t i) {
  return !tree.missing.empty() && tree.missing[i] != 0;
}

// Categories may be of any kind; labels are texts.
std::vector<std::string> as_texts(const Tree& tree) {
  if (tree.kind == Tree::Kind::text) return tree.text;
  const size_t count = value_count(tree);
  std::vector<std::string> texts;
  texts.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (is_missing(tree, i)) {
      texts.emplace_back();
    } else if (tree.boolean) {
      texts.emplace_back(tree.uint8[i] != 0 ? "True" : "False");
    } else if (is_real(tree)) {
      texts.push_back(number_text(number_at(tree, i)));
    } else {
      texts.push_back(std::to_string(integer_at(tree, i)));
    }
  }
  return texts;
}

// Code -1 (or any negative one) stands for a missing value.
Tree categorical(const Tree& categories, const Tree& codes, const std::string& place) {
  const std::vector<std::string> names = as_texts(categories);
  Tree column;
  column.kind = Tree::Kind::text;
  column.shape = codes.shape;
  column.text.resize(value_count(codes));
  column.missing.resize(column.text.size());
  for (size_t i = 0; i < column.text.size(); ++i) {
    const int64_t code = integer_at(codes, i);
    if (code >= static_cast<int64_t>(names.size())) {
      throw FormatError("is damaged: '" + place + "' has the code " + std::to_string(code) +
                        " and " + std::to_string(names.size()) + " categories");
    }
    const auto at = static_cast<size_t>(code);
    column.missing[i] = code < 0 || is_missing(categories, at) ? 1 : 0;
    if (column.missing[i] == 0) column.text[i] = names[at];
  }
  return column;
}

// Nullable columns are a pair of values and mask, the mask true where the value is missing.
Tree masked(const Tree& values, const Tree& mask, const std::string& place) {
  const size_t count = value_count(values);
  if (value_count(mask) != count) {
    throw FormatError("is damaged: the values and the mask of '" + place + "' differ in length");
  }
  std::vector<uint8_t> missing;
  for (size_t i = 0; i < count; ++i) missing.push_back(integer_at(mask, i) != 0 ? 1 : 0);
  Tree column = values;
  if (values.kind == Tree::Kind::text) {
    for (size_t i = 0; i < count; ++i) {
      if (missing[i] != 0) column.text[i].clear();
    }
  }
  column.missing = std::move(missing);
  return column;
}

bool are_arrays(const Tree* first, const Tree* second) {
  return first != nullptr && second != nullptr && first->kind != Tree::Kind::group &&
         second->kind != Tree::Kind::group;
}

// Small numbers are numbers, though R would have them as bytes.
Tree as_column(Tree values) {
  if (values.kind != Tree::Kind::uint8 || values.boolean) return values;
  values.kind = Tree::Kind::int32;
  values.int32.assign(values.uint8.begin(), values.uint8.end());
  values.uint8.clear();
  return values;
}

// One column, a group for a categorical or nullable one. A group of another kind is returned.
// old_categories: of a categorical column as AnnData 0.7 writes it, else NULL.
Tree decoded(const Tree& column, const Tree* old_categories, const std::string& place) {
  if (column.kind != Tree::Kind::group) {
    return old_categories != nullptr ? categorical(*old_categories, column, place)
                                     : as_column(column);
  }
  const Tree* values = column.child("values");
  const Tree* mask = column.child("mask");
  if (are_arrays(values, mask)) return as_column(masked(*values, *mask, place));
  const Tree* codes = column.child("codes");
  const Tree* categories = column.child("categories");
  if (codes == nullptr || categories == nullptr) return column;
  // Categories may be a nullable array in their turn.
  const Tree names = decoded(*categories, nullptr, place + "/categories");
  return are_arrays(codes, &names) ? categorical(names, *codes, place) : column;
}

void check_table(const Hdf5File& file, const std::string& table) {
  const Handle object = open_within(file.handle, table, "has no '" + table + "'");
  if (H5Iget_type(object) == H5I_GROUP) return;
  throw FormatError("was written by an AnnData older than 0.7: its '" + table +
                    "' is one compound; open it with a newer AnnData and save it again");
}

std::vector<std::pair<std::string, Tree>> table_attributes(const Hdf5File& file,
                                                           const std::string& table) {
  const Handle object = open_within(file.handle, table, "has no '" + table + "'");
  return read_attributes(file, object);
}

std::string index_name(const Hdf5File& file, const std::string& table) {
  for (const auto& [name, value] : table_attributes(file, table)) {
    if (name == "_index" && value.text.size() == 1) return value.text[0];
  }
  return has_place(file, table + "/_index") ? "_index" : "index";
}

std::vector<std::string> column_order(const Hdf5File& file, const std::string& table) {
  for (const auto& [name, value] : table_attributes(file, table)) {
    // An empty order is written as an empty array of numbers.
    if (name == "column-order") return value.text;
  }
  std::vector<std::string> names = names_in(file, table);
  const std::string index = index_name(file, table);
  const auto is_no_column = [&](const std::string& name) {
    return name == index || name == "__categories";
  };
  names.erase(std::remove_if(names.begin(), names.end(), is_no_column), names.end());
  return names;
}

// A name with "/" in it is a way through groups.
const Tree* below(const Tree& group, const std::string& name) {
  const Tree* child = group.child(name);
  const size_t end = name.find('/');
  if (child != nullptr || end == std::string::npos) return child;
  const Tree* step = group.child(name.substr(0, end));
  return step != nullptr ? below(*step, name.substr(end + 1)) : nullptr;
}

}  // namespace

std::vector<std::string> read_index(const Hdf5File& file, const std::string& table) {
  if (!has_place(file, table)) throw FormatError("has no '" + table + "'");
  check_table(file, table);
  const std::string name = index_name(file, table);
  const std::string place = table + "/" + name;
  const Tree index = read_place(file, place);
  const std::string categories = table + "/__categories/" + name;
  if (!has_place(file, categories)) return as_texts(decoded(index, nullptr, place));
  const Tree old = read_place(file, categories);
  return as_texts(decoded(index, &old, place));
}

Tree read_columns(const Hdf5File& file, const std::string& table, int64_t rows) {
  check_table(file, table);
  Tree columns;
  const Tree group = read_place(file, table);
  const Tree* old = group.child("__categories");
  for (const std::string& name : column_order(file, table)) {
    const Tree* column = below(group, name);
    if (column == nullptr) continue;
    const Tree* categories = old != nullptr ? below(*old, name) : nullptr;
    Tree values = decoded(*column, categories, table + "/" + name);
    if (values.kind == Tree::Kind::group) continue;
    if (values.shape != std::vector<int64_t>{rows}) {
      throw FormatError("is damaged: '" + table + "/" + name + "' is no column of " +
                        std::to_string(rows) + " values");
    }
    columns.children.emplace_back(name, std::move(values));
  }
  return columns;
}

}  // namespace canal::io
