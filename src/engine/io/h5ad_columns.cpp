#include "engine/io/h5ad_columns.h"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "engine/io/hdf5_values.h"
#include "engine/io/tree_numbers.h"

namespace canal::io {

namespace {

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.15g", value);
  return text;
}

// Categories may be of any kind; labels are texts.
std::vector<std::string> as_texts(const Tree& tree) {
  if (tree.kind == Tree::Kind::text) return tree.text;
  std::vector<std::string> texts;
  for (size_t i = 0; i < value_count(tree); ++i) {
    if (tree.boolean) {
      texts.emplace_back(tree.uint8[i] != 0 ? "True" : "False");
    } else if (is_real(tree)) {
      texts.push_back(number_text(number_at(tree, i)));
    } else {
      texts.push_back(std::to_string(integer_at(tree, i)));
    }
  }
  return texts;
}

Tree text_column(std::vector<std::string> texts) {
  Tree column;
  column.kind = Tree::Kind::text;
  column.shape = {static_cast<int64_t>(texts.size())};
  column.text = std::move(texts);
  return column;
}

// Code -1 (or any negative one) stands for a missing value.
Tree categorical(const Tree& categories, const Tree& codes, const std::string& place) {
  const std::vector<std::string> names = as_texts(categories);
  std::vector<std::string> texts(value_count(codes));
  for (size_t i = 0; i < texts.size(); ++i) {
    const int64_t code = integer_at(codes, i);
    if (code >= static_cast<int64_t>(names.size())) {
      throw FormatError("is damaged: '" + place + "' has the code " + std::to_string(code) +
                        " and " + std::to_string(names.size()) + " categories");
    }
    if (code >= 0) texts[i] = names[static_cast<size_t>(code)];
  }
  return text_column(std::move(texts));
}

// Nullable columns are a pair of values and mask, the mask true where the value is missing.
Tree masked(const Tree& values, const Tree& mask, const std::string& place) {
  const size_t count = value_count(values);
  if (value_count(mask) != count) {
    throw FormatError("is damaged: the values and the mask of '" + place + "' differ in length");
  }
  if (values.kind == Tree::Kind::text) {
    std::vector<std::string> texts = values.text;
    for (size_t i = 0; i < count; ++i) {
      if (integer_at(mask, i) != 0) texts[i].clear();
    }
    return text_column(std::move(texts));
  }
  Tree column;
  column.kind = Tree::Kind::float64;
  column.shape = values.shape;
  for (size_t i = 0; i < count; ++i) {
    const bool missing = integer_at(mask, i) != 0;
    column.float64.push_back(missing ? std::numeric_limits<double>::quiet_NaN()
                                     : number_at(values, i));
  }
  return column;
}

bool are_arrays(const Tree* first, const Tree* second) {
  return first != nullptr && second != nullptr && first->kind != Tree::Kind::group &&
         second->kind != Tree::Kind::group;
}

// One column, a group for a categorical or nullable one. A group of another kind is returned.
Tree decoded(const Tree& column, const Tree* old_categories, const std::string& place) {
  if (column.kind != Tree::Kind::group) {
    return old_categories != nullptr ? categorical(*old_categories, column, place) : column;
  }
  const Tree* codes = column.child("codes");
  const Tree* categories = column.child("categories");
  if (are_arrays(codes, categories)) return categorical(*categories, *codes, place);
  const Tree* values = column.child("values");
  const Tree* mask = column.child("mask");
  if (are_arrays(values, mask)) return masked(*values, *mask, place);
  return column;
}

void check_table(const Hdf5File& file, const std::string& table) {
  const Handle object(H5Oopen(file.handle, table.c_str(), H5P_DEFAULT), H5Oclose,
                      "has no '" + table + "'");
  if (H5Iget_type(object) == H5I_GROUP) return;
  throw FormatError("was written by an AnnData older than 0.7: its '" + table +
                    "' is one compound; open it with a newer AnnData and save it again");
}

std::vector<std::pair<std::string, Tree>> table_attributes(const Hdf5File& file,
                                                           const std::string& table) {
  const Handle object(H5Oopen(file.handle, table.c_str(), H5P_DEFAULT), H5Oclose,
                      "has no '" + table + "'");
  return read_attributes(object);
}

std::string index_name(const Hdf5File& file, const std::string& table) {
  for (const auto& [name, value] : table_attributes(file, table)) {
    if (name == "_index" && value.text.size() == 1) return value.text[0];
  }
  return has_place(file, table + "/_index") ? "_index" : "index";
}

std::vector<std::string> column_order(const Hdf5File& file, const std::string& table) {
  for (const auto& [name, value] : table_attributes(file, table)) {
    if (name == "column-order" && value.kind == Tree::Kind::text) return value.text;
  }
  // An empty order is written as an empty array of numbers.
  std::vector<std::string> names = names_in(file, table);
  const std::string index = index_name(file, table);
  const auto is_no_column = [&](const std::string& name) {
    return name == index || name == "__categories";
  };
  names.erase(std::remove_if(names.begin(), names.end(), is_no_column), names.end());
  return names;
}

}  // namespace

std::vector<std::string> read_index(const Hdf5File& file, const std::string& table) {
  if (!has_place(file, table)) throw FormatError("has no '" + table + "'");
  check_table(file, table);
  const std::string place = table + "/" + index_name(file, table);
  return as_texts(decoded(read_place(file, place), nullptr, place));
}

Tree read_columns(const Hdf5File& file, const std::string& table, int64_t rows) {
  check_table(file, table);
  Tree columns;
  const Tree group = read_place(file, table);
  const Tree* old = group.child("__categories");
  for (const std::string& name : column_order(file, table)) {
    const Tree* column = group.child(name);
    if (column == nullptr) continue;
    const Tree* categories = old != nullptr ? old->child(name) : nullptr;
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
