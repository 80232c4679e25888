// AnnData files: one small matrix in all its forms, tables in all their spellings, a real file.
#include <limits>

#include "engine/cell_file.h"
#include "io_support.h"
#include "tree_builder.h"

namespace {

using namespace io_test;
using canal::AnnData;
using canal::ErrorKind;
using canal::Tree;

// 3 cells x 4 genes: the second cell is empty.
const std::vector<float> dense_values{0, 1.5f, 0, 2, 0, 0, 0, 0, 7, 0, 0, -1};

struct SparseText {
  std::string format_attribute = "encoding-type";
  std::string shape_attribute = "shape";
  std::string format;
  std::vector<int32_t> starts;
  std::vector<int32_t> indices;
  std::vector<float> values;
};

Tree sparse(const SparseText& text) {
  Tree tree;
  tree.attributes = {{text.format_attribute, scalar_text(text.format)},
                     {text.shape_attribute, integers({3, 4})}};
  const auto count = static_cast<int64_t>(text.values.size());
  tree.children = {{"data", floats({count}, text.values)},
                   {"indices", integers(text.indices)},
                   {"indptr", integers(text.starts)}};
  return tree;
}

Tree csr() {
  return sparse(
      {"encoding-type", "shape", "csr_matrix", {0, 2, 2, 4}, {1, 3, 0, 3}, {1.5f, 2, 7, -1}});
}

Tree csc() {
  return sparse({"h5sparse_format",
                 "h5sparse_shape",
                 "csc",
                 {0, 1, 2, 2, 4},
                 {2, 0, 0, 2},
                 {7, 1.5f, 2, -1}});
}

// The same rows, their genes out of order, one given in two parts, one of them 0.
Tree untidy_csr() {
  return sparse({"encoding-type",
                 "shape",
                 "csr_matrix",
                 {0, 3, 4, 6},
                 {3, 1, 3, 2, 3, 0},
                 {1, 1.5f, 1, 0, -1, 7}});
}

Tree table(std::vector<std::string> names) {
  Tree tree;
  tree.attributes = {{"_index", scalar_text("name")}};
  tree.children = {{"name", texts(std::move(names))}};
  return tree;
}

Tree file_with(Tree matrix) {
  Tree root;
  root.children = {{"X", std::move(matrix)},
                   {"obs", table({"c1", "c2", "c3"})},
                   {"var", table({"A", "B", "C", "D"})}};
  return root;
}

AnnData read_made(const Tree& root, const std::string& layer = "X") {
  const TempFolder folder;
  canal::write_tree(folder.file("made.h5ad"), root);
  return canal::read_h5ad(folder.file("made.h5ad"), layer);
}

void expect_the_matrix(const AnnData& data) {
  EXPECT_EQ(data.counts.cells, 3);
  EXPECT_EQ(data.counts.genes, 4);
  EXPECT_EQ(data.counts.starts, (std::vector<int32_t>{0, 2, 2, 4}));
  EXPECT_EQ(data.counts.gene, (std::vector<int32_t>{1, 3, 0, 3}));
  EXPECT_EQ(data.counts.value, (std::vector<double>{1.5, 2, 7, -1}));
}

TEST(H5ad, EveryFormOfAMatrixGivesTheSame) {
  for (const Tree& matrix : {csr(), csc(), untidy_csr(), floats({3, 4}, dense_values)}) {
    const AnnData data = read_made(file_with(matrix));
    expect_the_matrix(data);
    EXPECT_EQ(data.cell_names, (std::vector<std::string>{"c1", "c2", "c3"}));
    EXPECT_EQ(data.gene_names, (std::vector<std::string>{"A", "B", "C", "D"}));
  }
}

TEST(H5ad, LayersAndTheRawMatrixAreFound) {
  Tree root = file_with(floats({3, 4}, std::vector<float>(12, 1)));
  Tree layers;
  layers.children = {{"counts", csc()}};
  Tree raw;
  raw.children = {{"X", csr()}, {"var", table({"a", "b", "c", "d"})}};
  root.children.emplace_back("layers", layers);
  root.children.emplace_back("raw", raw);
  expect_the_matrix(read_made(root, "counts"));
  const AnnData data = read_made(root, "raw/X");
  expect_the_matrix(data);
  EXPECT_EQ(data.gene_names[0], "a");
  expect_error(ErrorKind::file, "has no layer 'data'; it has X, raw/X, counts",
               [&] { read_made(root, "data"); });
}

Tree categorical(Tree categories, std::vector<int32_t> codes) {
  Tree tree;
  tree.attributes = {{"encoding-type", scalar_text("categorical")}};
  tree.children = {{"categories", std::move(categories)}, {"codes", integers(std::move(codes))}};
  return tree;
}

Tree nullable(Tree values, std::vector<uint8_t> mask) {
  Tree tree;
  tree.children = {{"mask", booleans(std::move(mask))}, {"values", std::move(values)}};
  return tree;
}

TEST(H5ad, ColumnsComeInTheirOrderWhateverTheirSpelling) {
  Tree root = file_with(csr());
  Tree& obs = root.children[1].second;
  obs.attributes.emplace_back("column-order",
                              texts({"type", "old", "year", "size", "flag", "maybe", "word"}));
  Tree old;
  old.children = {{"old", texts({"x", "y"})}};
  obs.children.emplace_back("__categories", old);
  obs.children.emplace_back("flag", booleans({1, 0, 1}));
  obs.children.emplace_back("maybe", nullable(integers({4, 5, 6}), {0, 1, 0}));
  obs.children.emplace_back("old", integers({1, -1, 0}));
  obs.children.emplace_back("size", floats({3}, {1, 2, 3}));
  obs.children.emplace_back("type", categorical(texts({"alpha", "beta"}), {1, -1, 0}));
  obs.children.emplace_back("word", nullable(texts({"p", "q", "r"}), {0, 0, 1}));
  obs.children.emplace_back("year", categorical(integers({1999, 2020}), {1, 1, 0}));
  const Tree columns = read_made(root).obs;
  std::vector<std::string> names;
  for (const auto& column : columns.children) names.push_back(column.first);
  EXPECT_EQ(names,
            (std::vector<std::string>{"type", "old", "year", "size", "flag", "maybe", "word"}));
  using Texts = std::vector<std::string>;
  EXPECT_EQ(columns.child("type")->text, (Texts{"beta", "", "alpha"}));
  EXPECT_EQ(columns.child("old")->text, (Texts{"y", "", "x"}));
  EXPECT_EQ(columns.child("year")->text, (Texts{"2020", "2020", "1999"}));
  EXPECT_EQ(columns.child("word")->text, (Texts{"p", "q", ""}));
  EXPECT_EQ(columns.child("size")->float32, (std::vector<float>{1, 2, 3}));
  EXPECT_TRUE(columns.child("flag")->boolean);
  EXPECT_EQ(columns.child("maybe")->int32, (std::vector<int32_t>{4, 5, 6}));
  EXPECT_EQ(columns.child("maybe")->missing, (std::vector<uint8_t>{0, 1, 0}));
  EXPECT_EQ(columns.child("type")->missing, (std::vector<uint8_t>{0, 1, 0}));
  EXPECT_EQ(columns.child("old")->missing, (std::vector<uint8_t>{0, 1, 0}));
  EXPECT_EQ(columns.child("word")->missing, (std::vector<uint8_t>{0, 0, 1}));
  EXPECT_TRUE(columns.child("size")->missing.empty());
}

TEST(H5ad, DamageIsNamed) {
  const auto damaged = [](const std::string& part, const Tree& with) {
    Tree root = file_with(csr());
    for (auto& child : root.children[0].second.children) {
      if (child.first == part) child.second = with;
    }
    return root;
  };
  const auto refuse = [](const std::string& fragment, const Tree& root) {
    expect_error(ErrorKind::file, fragment, [&] { read_made(root); });
  };
  refuse("an index beyond its shape", damaged("indices", integers({1, 4, 0, 3})));
  refuse("an index beyond its shape", damaged("indices", integers({1, -1, 0, 3})));
  refuse("has not as many indices", damaged("indices", integers({1, 3, 0})));
  refuse("starts out of order", damaged("indptr", integers({0, 3, 2, 4})));
  refuse("starts out of order", damaged("indptr", integers({0, 2, 2, 9})));
  refuse("belong to no row", damaged("indptr", integers({0, 2, 2, 3})));
  refuse("3 starts for 3 rows", damaged("indptr", integers({0, 2, 4})));
  refuse("names 3 cells and its matrix has 2", file_with(floats({2, 4}, std::vector<float>(8))));
  refuse("has not two dimensions", file_with(floats({12}, dense_values)));
  refuse("is no sparse matrix", file_with([] {
           Tree tree = csr();
           tree.attributes.erase(tree.attributes.begin());
           return tree;
         }()));
  Tree foreign;
  foreign.children = {{"X", csr()}};
  refuse("is no AnnData file: it has no 'obs'", foreign);
  Tree codes = file_with(csr());
  codes.children[1].second.children.emplace_back("t", categorical(texts({"a"}), {0, 1, 0}));
  refuse("has the code 1 and 1 categories", codes);
  Tree length = file_with(csr());
  length.children[1].second.children.emplace_back("t", texts({"a"}));
  refuse("no column of 3 values", length);
}

// Cells `first` to `first + count - 1` of what was read whole.
canal::CellMatrix naive_cells(const canal::CellMatrix& whole, int64_t first, int64_t count) {
  canal::CellMatrix part{count, whole.genes, {0}, {}, {}};
  for (int64_t cell = first; cell < first + count; ++cell) {
    for (int32_t i = whole.starts[cell]; i < whole.starts[cell + 1]; ++i) {
      part.gene.push_back(whole.gene[i]);
      part.value.push_back(whole.value[i]);
    }
    part.starts.push_back(static_cast<int32_t>(part.gene.size()));
  }
  return part;
}

void expect_same_matrix(const canal::CellMatrix& matrix, const canal::CellMatrix& expected) {
  EXPECT_EQ(matrix.cells, expected.cells);
  EXPECT_EQ(matrix.genes, expected.genes);
  EXPECT_EQ(matrix.starts, expected.starts);
  EXPECT_EQ(matrix.gene, expected.gene);
  EXPECT_EQ(matrix.value, expected.value);
}

void expect_every_range(const std::string& path, int64_t step) {
  const canal::CellMatrix whole = canal::read_h5ad(path, "X").counts;
  for (int64_t first = 0; first <= whole.cells; first += step) {
    for (int64_t count = 0; count <= whole.cells - first; count += step) {
      expect_same_matrix(canal::read_cells(path, "X", first, count),
                         naive_cells(whole, first, count));
    }
  }
}

TEST(H5ad, AnyRangeOfCellsIsThatOfTheWholeMatrix) {
  const TempFolder folder;
  for (const Tree& matrix : {csr(), untidy_csr(), floats({3, 4}, dense_values)}) {
    canal::write_tree(folder.file("made.h5ad"), file_with(matrix));
    expect_every_range(folder.file("made.h5ad"), 1);
  }
  expect_every_range(package_file("inst/extdata/panc8_small.h5ad"), 123);
}

// Rows without zeros, compressed by rows or by columns: some number of them, each of `minor`
// values.
Tree full_matrix(const std::string& kind, int64_t major, int64_t minor) {
  std::vector<int32_t> starts;
  std::vector<int32_t> indices;
  std::vector<float> values;
  for (int64_t i = 0; i <= major; ++i) starts.push_back(static_cast<int32_t>(i * minor));
  for (int64_t i = 0; i < major * minor; ++i) {
    indices.push_back(static_cast<int32_t>(i % minor));
    values.push_back(static_cast<float>(i % 8191 + 1));
  }
  Tree tree = sparse({"encoding-type", "shape", kind, starts, indices, values});
  const bool rows = kind == "csr_matrix";
  tree.attributes[1].second = integers(
      {static_cast<int32_t>(rows ? major : minor), static_cast<int32_t>(rows ? minor : major)});
  return tree;
}

std::vector<std::string> numbered(const std::string& start, int64_t count) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) names.push_back(start + std::to_string(i));
  return names;
}

// 2^21 values are read at a time.
TEST(H5ad, AMatrixOfManyPiecesIsReadWhole) {
  const TempFolder folder;
  const std::string path = folder.file("large.h5ad");
  constexpr int64_t cells = 1031;
  constexpr int64_t genes = 4099;
  for (const char* kind : {"csr_matrix", "csc_matrix"}) {
    const bool rows = std::string(kind) == "csr_matrix";
    Tree root;
    root.children = {{"X", full_matrix(kind, rows ? cells : genes, rows ? genes : cells)},
                     {"obs", table(numbered("c", cells))},
                     {"var", table(numbered("g", genes))}};
    canal::write_tree(path, root);
    const canal::CellMatrix matrix = canal::read_h5ad(path, "X").counts;
    ASSERT_EQ(matrix.value.size(), static_cast<size_t>(cells * genes));
    size_t wrong = 0;
    for (int64_t at = 0; at < cells * genes; ++at) {
      const int64_t cell = at / genes;
      const int64_t gene = at % genes;
      const int64_t stored = rows ? at : gene * cells + cell;
      wrong += matrix.gene[static_cast<size_t>(at)] != gene ||
               matrix.value[static_cast<size_t>(at)] != static_cast<double>(stored % 8191 + 1);
    }
    EXPECT_EQ(wrong, 0u);
    if (rows) expect_same_matrix(canal::read_cells(path, "X", 3, 900), naive_cells(matrix, 3, 900));
  }
}

TEST(H5ad, ReadingIsCancelled) {
  const TempFolder folder;
  const std::string path = folder.file("made.h5ad");
  canal::Control control;
  control.cancel = true;
  for (const Tree& matrix : {csr(), csc(), floats({3, 4}, dense_values)}) {
    canal::write_tree(path, file_with(matrix));
    EXPECT_THROW(canal::read_h5ad(path, "X", control), canal::Cancelled);
    EXPECT_THROW(canal::read_cell_header(path, "X", control), canal::Cancelled);
  }
  EXPECT_THROW(canal::read_cells(path, "X", 0, 3, control), canal::Cancelled);
}

TEST(H5ad, TheHeaderTellsWhatTheMatrixHolds) {
  const TempFolder folder;
  const auto header_of = [&](const Tree& matrix) {
    canal::write_tree(folder.file("made.h5ad"), file_with(matrix));
    return canal::read_cell_header(folder.file("made.h5ad"), "X");
  };
  for (const Tree& matrix : {csr(), csc(), floats({3, 4}, dense_values)}) {
    const canal::CellHeader header = header_of(matrix);
    EXPECT_EQ(header.cell_names, (std::vector<std::string>{"c1", "c2", "c3"}));
    EXPECT_EQ(header.gene_names, (std::vector<std::string>{"A", "B", "C", "D"}));
  }
  EXPECT_EQ(header_of(csr()).values, 4);
  EXPECT_EQ(header_of(floats({3, 4}, dense_values)).values, 12);
  EXPECT_TRUE(header_of(csr()).by_cells);
  EXPECT_TRUE(header_of(floats({3, 4}, dense_values)).by_cells);
  EXPECT_FALSE(header_of(csc()).by_cells);
  expect_error(ErrorKind::file, "names 3 cells and its matrix has 2", [&] {
    header_of(floats({2, 4}, std::vector<float>(8)));
  });
}

TEST(H5ad, CellsThatAreNotThereAreRefused) {
  const TempFolder folder;
  const std::string path = folder.file("made.h5ad");
  const auto refuse = [&](int64_t first, int64_t count) {
    expect_error(ErrorKind::input, "expected some of the 3 in the file",
                 [&] { canal::read_cells(path, "X", first, count); });
  };
  for (const Tree& matrix : {csr(), floats({3, 4}, dense_values)}) {
    canal::write_tree(path, file_with(matrix));
    refuse(0, 4);
    refuse(3, 1);
    refuse(-1, 2);
    refuse(1, -1);
    refuse(std::numeric_limits<int64_t>::max(), 1);
    refuse(1, std::numeric_limits<int64_t>::max());
  }
  canal::write_tree(path, file_with(csc()));
  expect_error(ErrorKind::input, "lies by genes", [&] { canal::read_cells(path, "X", 0, 1); });
}

TEST(H5ad, DamageIsNamedInTheRangeThatHasIt) {
  const TempFolder folder;
  const std::string path = folder.file("made.h5ad");
  const auto damage = [&](const std::string& part, const Tree& with) {
    Tree root = file_with(csr());
    for (auto& child : root.children[0].second.children) {
      if (child.first == part) child.second = with;
    }
    canal::write_tree(path, root);
  };
  const auto refuse = [&](const std::string& fragment, int64_t first, int64_t count) {
    expect_error(ErrorKind::file, fragment, [&] { canal::read_cells(path, "X", first, count); });
  };
  damage("indices", integers({1, 3, 0, 4}));
  refuse("an index beyond its shape", 2, 1);
  EXPECT_EQ(canal::read_cells(path, "X", 0, 2).gene, (std::vector<int32_t>{1, 3}));
  damage("indptr", integers({1, 2, 2, 4}));
  refuse("starts out of order", 0, 1);
  damage("indptr", integers({0, 2, 1, 4}));
  refuse("starts out of order", 1, 1);
  damage("indptr", integers({0, -2, 2, 4}));
  refuse("starts out of order", 1, 1);
  damage("indptr", integers({0, 2, 2, 9}));
  refuse("starts out of order", 2, 1);
  damage("indptr", integers({0, 2, 2, 3}));
  refuse("belong to no row", 2, 1);
  damage("indptr", integers({0, 2, 4}));
  refuse("3 starts for 3 rows", 0, 1);
}

TEST(H5ad, TruncatedFilesEndInAnErrorForEveryRange) {
  const TempFolder folder;
  const std::string whole = read_bytes(package_file("inst/extdata/panc8_small.h5ad"));
  for (const double share : {0.2, 0.5, 0.9, 0.999}) {
    const auto bytes = static_cast<size_t>(share * static_cast<double>(whole.size()));
    const std::string path = folder.write("cut.h5ad", whole.substr(0, bytes));
    expect_error(ErrorKind::file, "cut.h5ad", [&] { canal::read_cells(path, "X", 0, 5); });
    expect_error(ErrorKind::file, "cut.h5ad", [&] { canal::read_cell_header(path, "X"); });
  }
}

TEST(H5ad, TheEmbeddedPancreasDataAreWhole) {
  const AnnData data = canal::read_h5ad(package_file("inst/extdata/panc8_small.h5ad"), "X");
  EXPECT_EQ(data.counts.cells, 500);
  EXPECT_EQ(data.counts.genes, 2000);
  EXPECT_EQ(data.counts.value.size(), 100355u);
  ASSERT_EQ(data.obs.children.size(), 4u);
  EXPECT_EQ(data.obs.children[0].first, "celltype");
  for (const std::string& type : data.obs.child("celltype")->text) EXPECT_FALSE(type.empty());
}

}  // namespace
