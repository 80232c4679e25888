#include "sound_files.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "engine/io/checksum_block.h"
#include "memory_file.h"
#include "tree_builder.h"

namespace canal_fuzz {

namespace {

using namespace io_test;
using canal::Tree;
using Children = std::vector<std::pair<std::string, Tree>>;

Tree group(Children children, Children attributes = {}) {
  Tree tree;
  tree.children = std::move(children);
  tree.attributes = std::move(attributes);
  return tree;
}

// 3 cells x 4 genes: the second cell is empty.
Tree sparse(const std::string& kind, std::vector<int32_t> starts, std::vector<int32_t> indices) {
  return group({{"data", floats({4}, {1.5f, 2, 7, -1})},
                {"indices", integers(std::move(indices))},
                {"indptr", integers(std::move(starts))}},
               {{"encoding-type", scalar_text(kind)}, {"shape", integers({3, 4})}});
}

Tree by_cells() { return sparse("csr_matrix", {0, 2, 2, 4}, {1, 3, 0, 3}); }

Tree by_genes() { return sparse("csc_matrix", {0, 1, 2, 2, 4}, {2, 0, 0, 2}); }

Tree cells_table() {
  const Tree categorical =
      group({{"codes", integers({0, 1, -1})}, {"categories", texts({"alpha", "beta"})}});
  return group(
      {{"_index", texts({"c1", "c2", "c3"})}, {"a", integers({0, 1, 1})}, {"b", categorical}},
      {{"_index", scalar_text("_index")}, {"column-order", texts({"a", "b"})}});
}

Tree genes_table() { return group({{"_index", texts({"g1", "g2", "g3", "g4"})}}); }

Tree anndata(const Tree& matrix) {
  return group({{"X", matrix},
                {"obs", cells_table()},
                {"var", genes_table()},
                {"raw", group({{"X", by_cells()}, {"var", genes_table()}})},
                {"layers", group({{"l", by_genes()}})}});
}

Tree tenx(bool newer) {
  Tree matrix = group({{"barcodes", texts({"AAAC-1", "AAAG-1", "AAAT-1"})},
                       {"data", integers({2, 1, 7, 5})},
                       {"indices", integers({3, 1, 0, 3})},
                       {"indptr", integers({0, 2, 2, 4})},
                       {"shape", integers({4, 3})}});
  const Tree ids = texts({"E1", "E2", "E3", "E4"});
  const Tree names = texts({"INS", "", "CD3", "INS"});
  if (newer) {
    matrix.children.emplace_back("features",
                                 group({{"id", ids}, {"name", names}, {"feature_type", ids}}));
  } else {
    matrix.children.emplace_back("genes", ids);
    matrix.children.emplace_back("gene_names", names);
  }
  return group({{"matrix", matrix}});
}

Tree some_tree() {
  return group({{"weights",
                 group({{"w", floats({2, 3}, {1, 2, 3, 4, 5, 6})}, {"v", texts({"one", "two"})}})},
                {"other", group({{"deep", group({})}})}},
               {{"a", integers({1})}});
}

std::string bytes_of(const Tree& tree) {
  std::string folder = (std::filesystem::temp_directory_path() / "canal-fuzz-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary folder");
  const std::string path = folder + "/sound.h5";
  canal::write_tree(path, tree);
  std::ifstream file(path, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  file.close();
  std::filesystem::remove_all(folder);
  // Behind a checksum every change would be refused before HDF5 is asked.
  return bytes.substr(canal::io::checksum_block_size);
}

}  // namespace

const std::vector<std::string>& sound_files() {
  static const std::vector<std::string> files{
      bytes_of(anndata(by_cells())),
      bytes_of(anndata(floats({3, 4}, {0, 1.5f, 0, 2, 0, 0, 0, 0, 7, 0, 0, -1}))),
      bytes_of(tenx(true)), bytes_of(tenx(false)), bytes_of(some_tree())};
  return files;
}

const std::string& elsewhere() {
  static MemoryFile file;
  static const bool held = (file.hold(sound_files().front()), true);
  static const std::string nothing;
  return held ? file.path() : nothing;
}

}  // namespace canal_fuzz
