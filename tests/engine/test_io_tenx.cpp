// Cell Ranger's HDF5 files: both layouts, every range of cells, damage of every part; and what
// HDF5 arrays may be compressed by.
#include <hdf5.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <random>

#include "engine/cell_file.h"
#include "engine/io/checksum_block.h"
#include "engine/io/hdf5_filters.h"
#include "io_support.h"
#include "tree_builder.h"

namespace {

using namespace io_test;
using canal::CellFormat;
using canal::CellHeader;
using canal::CellMatrix;
using canal::ErrorKind;
using canal::Tree;

using Texts = std::vector<std::string>;

// 4 features x 3 cells, the second of which is empty; features out of order, as Cell Ranger leaves
// them.
Tree matrix_parts() {
  Tree group;
  group.children = {{"barcodes", texts({"AAAC-1", "AAAG-1", "AAAT-1"})},
                    {"data", integers({2, 1, 7, 5})},
                    {"indices", long_integers({3, 1, 0, 3})},
                    {"indptr", long_integers({0, 2, 2, 4})},
                    {"shape", integers({4, 3})}};
  return group;
}

Tree version_3() {
  Tree features;
  features.children = {{"feature_type", texts({"Gene Expression", "Gene Expression",
                                               "Antibody Capture", "Gene Expression"})},
                       {"id", texts({"E1", "E2", "E3", "E4"})},
                       {"name", texts({"INS", "", "CD3", "INS"})}};
  Tree group = matrix_parts();
  group.children.emplace_back("features", features);
  Tree root;
  root.attributes = {{"filetype", texts({"matrix"})}, {"version", long_integers({2})}};
  root.children = {{"matrix", group}};
  return root;
}

Tree genome_parts() {
  Tree group = matrix_parts();
  group.children.emplace_back("genes", texts({"E1", "E2", "E3", "E4"}));
  group.children.emplace_back("gene_names", texts({"INS", "", "CD3", "INS"}));
  return group;
}

Tree version_2(const Texts& genomes = {"GRCh38"}) {
  Tree root;
  for (const std::string& genome : genomes) root.children.emplace_back(genome, genome_parts());
  return root;
}

// The array of that name, in the group or below its features.
Tree& part_of(Tree& root, const std::string& name) {
  Tree& group = root.children[0].second;
  for (auto& child : group.children) {
    if (child.first == name) return child.second;
    for (auto& below : child.second.children) {
      if (below.first == name) return below.second;
    }
  }
  throw std::runtime_error("no part " + name);
}

void drop_part(Tree& root, const std::string& name) {
  const auto is_named = [&](const auto& child) { return child.first == name; };
  auto& parts = root.children[0].second.children;
  parts.erase(std::remove_if(parts.begin(), parts.end(), is_named), parts.end());
  for (auto& part : parts) {
    auto& below = part.second.children;
    below.erase(std::remove_if(below.begin(), below.end(), is_named), below.end());
  }
}

class Tenx : public ::testing::Test {
 protected:
  std::string made(const Tree& root) {
    canal::write_tree(folder_.file("made.h5"), root);
    return folder_.file("made.h5");
  }
  CellHeader header_of(const Tree& root) {
    return canal::read_cell_header(made(root), root.children[0].first);
  }
  void refuse_header(const std::string& fragment, const Tree& root) {
    expect_error(ErrorKind::file, fragment, [&] { header_of(root); });
  }
  void refuse_cells(const std::string& fragment, const Tree& root, int64_t first = 0,
                    int64_t count = 3) {
    expect_error(ErrorKind::file, fragment,
                 [&] { canal::read_cells(made(root), root.children[0].first, first, count); });
  }

  const TempFolder folder_;
};

TEST_F(Tenx, BothVersionsTellTheirCellsAndFeatures) {
  for (const Tree& root : {version_3(), version_2()}) {
    const CellHeader header = header_of(root);
    EXPECT_EQ(header.cell_names, (Texts{"AAAC-1", "AAAG-1", "AAAT-1"}));
    EXPECT_EQ(header.gene_names, (Texts{"INS", "E2", "CD3", "INS"}));
    EXPECT_EQ(header.gene_ids, (Texts{"E1", "E2", "E3", "E4"}));
    EXPECT_EQ(header.values, 4);
    EXPECT_TRUE(header.by_cells);
  }
  EXPECT_EQ(header_of(version_3()).feature_types[2], "Antibody Capture");
  EXPECT_TRUE(header_of(version_2()).feature_types.empty());
}

TEST_F(Tenx, WhatIsNotToldIsDoneWithout) {
  Tree root = version_3();
  drop_part(root, "feature_type");
  EXPECT_TRUE(header_of(root).feature_types.empty());
  drop_part(root, "name");
  EXPECT_EQ(header_of(root).gene_names, (Texts{"E1", "E2", "E3", "E4"}));
  root = version_3();
  drop_part(root, "id");
  EXPECT_EQ(header_of(root).gene_names, (Texts{"INS", "", "CD3", "INS"}));
  EXPECT_TRUE(header_of(root).gene_ids.empty());
  root = version_2();
  drop_part(root, "gene_names");
  EXPECT_EQ(header_of(root).gene_names, (Texts{"E1", "E2", "E3", "E4"}));
  root = version_3();
  drop_part(root, "name");
  drop_part(root, "id");
  refuse_header("without its 'features/id'", root);
}

// 3 cells x 4 genes, row by row.
const std::vector<double> dense_values{0, 1, 0, 2, 0, 0, 0, 0, 7, 0, 0, 5};

std::vector<double> dense_of(const CellMatrix& matrix) {
  std::vector<double> dense(static_cast<size_t>(matrix.cells * matrix.genes));
  for (int64_t cell = 0; cell < matrix.cells; ++cell) {
    for (int32_t i = matrix.starts[cell]; i < matrix.starts[cell + 1]; ++i) {
      if (i > matrix.starts[cell]) {
        EXPECT_LT(matrix.gene[i - 1], matrix.gene[i]);
      }
      dense[static_cast<size_t>(cell * matrix.genes + matrix.gene[i])] = matrix.value[i];
    }
  }
  return dense;
}

TEST_F(Tenx, AnyRangeOfCellsHasItsCounts) {
  for (const Tree& root : {version_3(), version_2()}) {
    const std::string path = made(root);
    for (int64_t first = 0; first <= 3; ++first) {
      for (int64_t count = 0; count <= 3 - first; ++count) {
        const CellMatrix cells = canal::read_cells(path, root.children[0].first, first, count);
        EXPECT_EQ(cells.cells, count);
        EXPECT_EQ(cells.genes, 4);
        EXPECT_EQ(dense_of(cells), std::vector<double>(dense_values.begin() + 4 * first,
                                                       dense_values.begin() + 4 * (first + count)));
      }
    }
  }
}

TEST_F(Tenx, NumbersMayBeOfAnyWidth) {
  Tree bytes;
  bytes.kind = Tree::Kind::uint8;
  bytes.shape = {4};
  bytes.uint8 = {2, 1, 7, 5};
  Tree doubles;
  doubles.kind = Tree::Kind::float64;
  doubles.shape = {4};
  doubles.float64 = {2, 1, 7, 5};
  for (const Tree& data : {bytes, doubles, long_integers({2, 1, 7, 5})}) {
    Tree root = version_3();
    part_of(root, "data") = data;
    part_of(root, "indices") = integers({3, 1, 0, 3});
    part_of(root, "indptr") = integers({0, 2, 2, 4});
    part_of(root, "shape") = long_integers({4, 3});
    EXPECT_EQ(dense_of(canal::read_cells(made(root), "matrix", 0, 3)), dense_values);
  }
  Tree root = version_3();
  part_of(root, "indices") = doubles;
  refuse_cells("other values where integers are expected", root);
  root = version_3();
  part_of(root, "data") = texts({"2", "1", "7", "5"});
  refuse_cells("other values where integers are expected", root);
}

TEST_F(Tenx, FilesAreKnownByTheirContent) {
  const auto inspected = [&](const Tree& root) { return canal::inspect_cell_file(made(root)); };
  EXPECT_EQ(inspected(version_3()).format, CellFormat::tenx);
  EXPECT_EQ(inspected(version_3()).matrices, Texts{"matrix"});
  EXPECT_EQ(inspected(version_2({"hg19", "mm10"})).matrices, (Texts{"hg19", "mm10"}));
  // Other groups beside it, as other programs write them.
  Tree more = version_3();
  more.children.emplace_back("metadata", Tree{});
  EXPECT_EQ(inspected(more).matrices, Texts{"matrix"});
  // An AnnData file remains one, whatever else it holds.
  Tree both = version_3();
  both.children.emplace_back("obs", Tree{});
  both.children.emplace_back("var", Tree{});
  both.children.emplace_back("X", long_integers({1}));
  EXPECT_EQ(inspected(both).format, CellFormat::anndata);
  EXPECT_EQ(inspected(both).matrices, Texts{"X"});
  Tree neither;
  neither.children = {{"matrix", long_integers({1})}, {"barcodes", texts({"A"})}};
  expect_error(ErrorKind::file, "is no AnnData file: it has no 'obs'", [&] { inspected(neither); });
  refuse_header("nor does it hold a matrix as Cell Ranger writes it", neither);
  expect_error(ErrorKind::file, "has no matrix 'mm10'",
               [&] { canal::read_cell_header(made(version_3()), "mm10"); });
}

Tree with(Tree root, const std::string& part, const Tree& value) {
  part_of(root, part) = value;
  return root;
}

Tree without(Tree root, const std::string& part) {
  drop_part(root, part);
  return root;
}

TEST_F(Tenx, NamesAreAsManyAsExtents) {
  for (const Tree& root : {version_3(), version_2()}) {
    refuse_header("names 2 cells and its matrix has 3", with(root, "barcodes", texts({"A", "B"})));
    refuse_header("4 starts for 2 rows", with(root, "shape", integers({4, 2})));
    refuse_header("names 4 genes and its matrix has 5", with(root, "shape", integers({5, 3})));
    refuse_header("/barcodes' has no texts", with(root, "barcodes", long_integers({1, 2, 3})));
  }
  refuse_header("names 3 genes and its matrix has 4",
                with(version_3(), "name", texts({"A", "B", "C"})));
  refuse_header("names 3 genes and its matrix has 4",
                with(version_3(), "id", texts({"A", "B", "C"})));
  refuse_header("names 1 types of features and its matrix has 4",
                with(version_3(), "feature_type", texts({"Gene Expression"})));
  refuse_header("names 5 genes and its matrix has 4",
                with(version_2(), "gene_names", texts({"A", "B", "C", "D", "E"})));
}

TEST_F(Tenx, ShapesThatCannotBeAreRefused) {
  refuse_header("has not two extents", with(version_3(), "shape", integers({4, 3, 1})));
  refuse_header("other values where integers", with(version_3(), "shape", texts({"4", "3"})));
  for (const int64_t extent :
       {int64_t{-1}, int64_t{1} << 31, std::numeric_limits<int64_t>::max()}) {
    refuse_header("0 to 2^31 - 2 of each are expected",
                  with(version_3(), "shape", long_integers({4, extent})));
    refuse_header("0 to 2^31 - 2 of each are expected",
                  with(version_3(), "shape", long_integers({extent, 3})));
  }
  Tree flat = long_integers({4, 3});
  flat.shape = {1, 2};
  refuse_header("without its 'shape'", with(version_3(), "shape", flat));
}

TEST_F(Tenx, PartsThatAreMissingAreNamed) {
  for (const Tree& root : {version_3(), version_2()}) {
    for (const char* part : {"data", "indices", "indptr", "shape"}) {
      const std::string fragment = "without its '" + std::string(part) + "'";
      refuse_header(fragment, without(root, part));
      refuse_cells(fragment, without(root, part));
      refuse_header(fragment, with(root, part, Tree{}));
    }
    refuse_header("nor does it hold a matrix as Cell Ranger", without(root, "barcodes"));
    refuse_header("without its 'barcodes'", with(root, "barcodes", Tree{}));
  }
}

TEST_F(Tenx, DamageOfTheMatrixIsNamedInTheRangeThatHasIt) {
  for (const Tree& root : {version_3(), version_2()}) {
    refuse_cells("not as many indices", with(root, "indices", long_integers({3, 1, 0})), 0, 0);
    for (const int64_t index : {int64_t{4}, int64_t{-1}, int64_t{1} << 40}) {
      const Tree damaged = with(root, "indices", long_integers({3, 1, 0, index}));
      refuse_cells("an index beyond its shape", damaged, 2, 1);
      EXPECT_EQ(canal::read_cells(made(damaged), root.children[0].first, 0, 2).gene,
                (std::vector<int32_t>{1, 3}));
    }
    refuse_cells("starts out of order", with(root, "indptr", long_integers({0, 3, 2, 4})), 1, 1);
    refuse_cells("starts out of order", with(root, "indptr", long_integers({1, 2, 2, 4})), 0, 1);
    refuse_cells("starts out of order", with(root, "indptr", long_integers({0, -2, 2, 4})), 1, 1);
    refuse_cells("starts out of order", with(root, "indptr", long_integers({0, 2, 2, 9})), 2, 1);
    refuse_cells("starts out of order",
                 with(root, "indptr", long_integers({0, 2, 2, int64_t{1} << 62})));
    refuse_cells("belong to no row", with(root, "indptr", long_integers({0, 2, 2, 3})), 2, 1);
    refuse_cells("3 starts for 3 rows", with(root, "indptr", long_integers({0, 2, 4})), 0, 1);
  }
}

TEST_F(Tenx, CellsThatAreNotThereAreRefused) {
  const std::string path = made(version_3());
  const auto refuse = [&](int64_t first, int64_t count) {
    expect_error(ErrorKind::input, "expected some of the 3 in the file",
                 [&] { canal::read_cells(path, "matrix", first, count); });
  };
  refuse(0, 4);
  refuse(3, 1);
  refuse(-1, 2);
  refuse(1, -1);
  refuse(std::numeric_limits<int64_t>::max(), 1);
  refuse(1, std::numeric_limits<int64_t>::max());
}

TEST_F(Tenx, FilesCutOffAnywhereEndInAnError) {
  const std::string whole = read_bytes(made(version_3()));
  for (size_t bytes = 0; bytes < whole.size(); bytes += 97) {
    const std::string path = folder_.write("cut.h5", whole.substr(0, bytes));
    expect_error(ErrorKind::file, "cut.h5", [&] { canal::read_cells(path, "matrix", 0, 3); });
    expect_error(ErrorKind::file, "cut.h5", [&] { canal::inspect_cell_file(path); });
  }
}

// What HDF5 itself can say, which Tree cannot
// --------------------------------------------------------

// Without the checksum that stands before the HDF5 part, as the rest is to be changed.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) {
    const std::string whole = read_bytes(path);
    if (whole.rfind("canalR checksum", 0) == 0) {
      std::ofstream(path, std::ios::binary) << whole.substr(canal::io::checksum_block_size);
    }
    id_ = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  }
  ~OpenFile() { H5Fclose(id_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  hid_t id() const { return id_; }

 private:
  hid_t id_;
};

// An array of int64 that declares so many values and holds none of them.
void declare_array(hid_t file, const std::string& place, hsize_t length) {
  H5Ldelete(file, place.c_str(), H5P_DEFAULT);
  const hsize_t chunk = 1024;
  const hid_t space = H5Screate_simple(1, &length, nullptr);
  const hid_t how = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(how, 1, &chunk);
  const hid_t array =
      H5Dcreate2(file, place.c_str(), H5T_STD_I64LE, space, H5P_DEFAULT, how, H5P_DEFAULT);
  EXPECT_GE(H5Dclose(array), 0);
  H5Pclose(how);
  H5Sclose(space);
}

TEST_F(Tenx, DeclaredSizesAreHeldAgainstTheFile) {
  constexpr hsize_t huge = hsize_t{1} << 40;
  const std::string path = made(version_3());
  {
    const OpenFile file(path);
    declare_array(file.id(), "matrix/data", huge);
    declare_array(file.id(), "matrix/indices", huge);
  }
  expect_error(ErrorKind::file, "belong to no row",
               [&] { canal::read_cells(path, "matrix", 0, 3); });
  expect_error(ErrorKind::file, "declares 1099511627776 values in 'indices'",
               [&] { canal::read_cells(path, "matrix", 0, 2); });
}

TEST_F(Tenx, ManyDeclaredCellsAreHeldAgainstTheFile) {
  Tree root = version_3();
  part_of(root, "shape") = long_integers({4, (int64_t{1} << 31) - 2});
  const std::string path = made(root);
  {
    const OpenFile file(path);
    declare_array(file.id(), "matrix/indptr", (hsize_t{1} << 31) - 1);
    declare_array(file.id(), "matrix/barcodes", (hsize_t{1} << 31) - 2);
  }
  expect_error(ErrorKind::file, "declares 2147483646 values in 'barcodes'",
               [&] { canal::read_cell_header(path, "matrix"); });
  expect_error(ErrorKind::file, "declares 2147483647 values in 'indptr'",
               [&] { canal::read_cells(path, "matrix", 0, 2); });
}

TEST_F(Tenx, LinksToOtherFilesAreNotFollowed) {
  const std::string other = folder_.file("other.h5");
  canal::write_tree(other, version_3());
  const std::string path = made(version_3());
  {
    const OpenFile file(path);
    H5Ldelete(file.id(), "matrix/data", H5P_DEFAULT);
    H5Lcreate_external(other.c_str(), "/matrix/data", file.id(), "matrix/data", H5P_DEFAULT,
                       H5P_DEFAULT);
  }
  expect_error(ErrorKind::file, "without its 'data'",
               [&] { canal::read_cells(path, "matrix", 0, 3); });
  {
    const OpenFile file(path);
    H5Ldelete(file.id(), "matrix", H5P_DEFAULT);
    H5Lcreate_external(other.c_str(), "/matrix", file.id(), "matrix", H5P_DEFAULT, H5P_DEFAULT);
  }
  expect_error(ErrorKind::file, "nor does it hold a matrix",
               [&] { canal::read_cell_header(path, "matrix"); });
}

// LZF
// ------------------------------------------------------------------------------------------------

using Bytes = std::vector<uint8_t>;

// A naive compressor: references to the longest earlier run, else literals. Not fast, not the best.
Bytes lzf_compressed(const Bytes& plain) {
  Bytes out;
  Bytes literals;
  const auto flush = [&] {
    for (size_t at = 0; at < literals.size(); at += 32) {
      const size_t count = std::min<size_t>(32, literals.size() - at);
      out.push_back(static_cast<uint8_t>(count - 1));
      out.insert(out.end(), literals.begin() + static_cast<std::ptrdiff_t>(at),
                 literals.begin() + static_cast<std::ptrdiff_t>(at + count));
    }
    literals.clear();
  };
  for (size_t at = 0; at < plain.size();) {
    size_t best = 0;
    size_t distance = 0;
    for (size_t back = 1; back <= std::min<size_t>(at, 8192); ++back) {
      size_t length = 0;
      while (length < 264 && at + length < plain.size() &&
             plain[at + length] == plain[at + length - back]) {
        ++length;
      }
      if (length > best) {
        best = length;
        distance = back;
      }
    }
    if (best < 3) {
      literals.push_back(plain[at++]);
      continue;
    }
    flush();
    const auto far = static_cast<uint8_t>((distance - 1) >> 8);
    if (best - 2 < 7) {
      out.push_back(static_cast<uint8_t>((best - 2) << 5 | far));
    } else {
      out.push_back(static_cast<uint8_t>(7 << 5 | far));
      out.push_back(static_cast<uint8_t>(best - 2 - 7));
    }
    out.push_back(static_cast<uint8_t>((distance - 1) & 255));
    at += best;
  }
  flush();
  return out;
}

Bytes some_bytes(size_t count, int kinds, unsigned seed) {
  std::mt19937 random(seed);
  Bytes bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % kinds);
  return bytes;
}

TEST(Lzf, GivesBackWhatWasCompressed) {
  for (const size_t count : {0, 1, 2, 31, 32, 33, 300, 9000}) {
    for (const int kinds : {1, 2, 5, 256}) {
      const Bytes plain = some_bytes(count, kinds, 7);
      const Bytes packed = lzf_compressed(plain);
      ASSERT_EQ(canal::io::lzf_size(packed.data(), packed.size()), count);
      Bytes out(count);
      canal::io::lzf_decompress(packed.data(), packed.size(), out.data());
      EXPECT_EQ(out, plain);
    }
  }
}

// Under the sanitizers, too: whatever has a size can be written to just that many bytes.
TEST(Lzf, DamagedBytesHaveNoSizeOrOneThatHolds) {
  EXPECT_FALSE(canal::io::lzf_size(Bytes{5, 1, 2}.data(), 3));       // literals that are not there
  EXPECT_FALSE(canal::io::lzf_size(Bytes{0, 1, 32}.data(), 3));      // a reference cut off
  EXPECT_FALSE(canal::io::lzf_size(Bytes{0, 1, 224, 1}.data(), 4));  // a long one
  EXPECT_FALSE(canal::io::lzf_size(Bytes{0, 1, 32, 1}.data(), 4));   // before the beginning
  EXPECT_EQ(canal::io::lzf_size(Bytes{0, 1, 32, 0}.data(), 4), 4u);
  const Bytes packed = lzf_compressed(some_bytes(300, 3, 1));
  size_t damaged = 0;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    Bytes changed = packed;
    changed[random() % changed.size()] = static_cast<uint8_t>(random());
    changed.resize(1 + random() % changed.size());
    const std::optional<size_t> size = canal::io::lzf_size(changed.data(), changed.size());
    if (!size) {
      ++damaged;
      continue;
    }
    Bytes out(*size);
    canal::io::lzf_decompress(changed.data(), changed.size(), out.data());
  }
  EXPECT_GT(damaged, 100u);
}

// `chunk` as it came from LZF, in an array of 4 int32 in one chunk. declared: the bytes of a chunk
// that the filter's values tell.
void write_lzf(hid_t file, const std::string& place, const Bytes& chunk, unsigned declared) {
  H5Ldelete(file, place.c_str(), H5P_DEFAULT);
  const hsize_t length = 4;
  const unsigned values[] = {4, 0x0105, declared};
  const hid_t space = H5Screate_simple(1, &length, nullptr);
  const hid_t how = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(how, 1, &length);
  H5Pset_filter(how, 32000, H5Z_FLAG_OPTIONAL, 3, values);
  const hid_t array =
      H5Dcreate2(file, place.c_str(), H5T_STD_I32LE, space, H5P_DEFAULT, how, H5P_DEFAULT);
  const hsize_t start = 0;
  EXPECT_GE(H5Dwrite_chunk(array, H5P_DEFAULT, 0, &start, chunk.size(), chunk.data()), 0);
  H5Dclose(array);
  H5Pclose(how);
  H5Sclose(space);
}

TEST_F(Tenx, ChunksOfLzfAreReadAndDamagedOnesAreNot) {
  const Bytes plain{2, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 0};
  const Bytes packed = lzf_compressed(plain);
  const auto read = [&](const Bytes& chunk, unsigned declared) {
    const std::string path = made(version_3());
    {
      const OpenFile file(path);
      write_lzf(file.id(), "matrix/data", chunk, declared);
    }
    return dense_of(canal::read_cells(path, "matrix", 0, 3));
  };
  EXPECT_EQ(read(packed, 16), dense_values);
  const auto refuse = [&](const std::string& fragment, const Bytes& chunk, unsigned declared) {
    expect_error(ErrorKind::file, fragment, [&] { read(chunk, declared); });
  };
  refuse("compressed in other chunks than it has", packed, 12);
  refuse("compressed in other chunks than it has", packed, 1u << 31);
  refuse("'data' that cannot be read", lzf_compressed(Bytes(plain.begin(), plain.end() - 4)), 16);
  refuse("'data' that cannot be read", Bytes(packed.begin(), packed.end() - 1), 16);
  refuse("'data' that cannot be read", Bytes{32, 0, 1, 2}, 16);
}

}  // namespace
