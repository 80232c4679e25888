#include "engine/tree.h"

#include "engine/io/tree_read.h"

namespace canal {

namespace {

const Tree* named(const std::vector<std::pair<std::string, Tree>>& trees, const std::string& name) {
  for (const auto& entry : trees) {
    if (entry.first == name) return &entry.second;
  }
  return nullptr;
}

}  // namespace

const Tree* Tree::child(const std::string& name) const { return named(children, name); }

const Tree* Tree::attribute(const std::string& name) const { return named(attributes, name); }

Tree read_tree(const std::string& path, const std::string& place) {
  const io::QuietHdf5 quiet;
  return io::with_path(path, [&] { return io::read_place(io::open_tree_file(path), place); });
}

std::vector<std::string> list_names(const std::string& path, const std::string& place) {
  const io::QuietHdf5 quiet;
  return io::with_path(path, [&] { return io::names_in(io::open_tree_file(path), place); });
}

}  // namespace canal
