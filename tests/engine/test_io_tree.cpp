// HDF5 trees: what is written is read, whole or not at all, and damage is named.
#include <hdf5.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <numeric>

#include "engine/digest.h"
#include "engine/tree.h"
#include "io_support.h"

namespace {

using namespace io_test;
using canal::ErrorKind;
using canal::Tree;

Tree floats(std::vector<int64_t> shape, std::vector<float> values) {
  Tree tree;
  tree.kind = Tree::Kind::float32;
  tree.shape = std::move(shape);
  tree.float32 = std::move(values);
  return tree;
}

Tree texts(std::vector<int64_t> shape, std::vector<std::string> values) {
  Tree tree;
  tree.kind = Tree::Kind::text;
  tree.shape = std::move(shape);
  tree.text = std::move(values);
  return tree;
}

// Large enough to be stored in deflated chunks.
Tree many_bytes() {
  Tree tree;
  tree.kind = Tree::Kind::uint8;
  tree.shape = {700, 1001};
  tree.uint8.resize(700 * 1001);
  std::iota(tree.uint8.begin(), tree.uint8.end(), uint8_t{0});
  return tree;
}

Tree sample() {
  Tree doubles;
  doubles.kind = Tree::Kind::float64;
  doubles.shape = {3};
  doubles.float64 = {0.1, -1e300, 0};
  Tree narrow;
  narrow.kind = Tree::Kind::int32;
  narrow.int32 = {INT32_MIN};
  Tree wide;
  wide.kind = Tree::Kind::int64;
  wide.shape = {1, 2};
  wide.int64 = {INT64_MAX, -1};
  Tree flags;
  flags.kind = Tree::Kind::uint8;
  flags.boolean = true;
  flags.shape = {3};
  flags.uint8 = {1, 0, 1};
  Tree inner;
  inner.children = {{"doubles", doubles}, {"narrow", narrow}, {"wide", wide}};
  inner.attributes = {{"note", texts({}, {"h\xc3\xa9llo"})}, {"sizes", wide}};
  Tree root;
  root.attributes = {{"format", texts({}, {"test"})}};
  root.children = {{"bytes", many_bytes()},
                   {"empty", texts({0}, {})},
                   {"flags", flags},
                   {"inner", inner},
                   {"none", Tree()},
                   {"table", floats({2, 1, 2}, {1, 2, 3, 4})},
                   {"words", texts({2, 2}, {"a", "", "\xce\xb2", "d e"})}};
  return root;
}

void expect_equal(const Tree& a, const Tree& b, const std::string& place) {
  EXPECT_EQ(a.kind, b.kind) << place;
  EXPECT_EQ(a.shape, b.shape) << place;
  EXPECT_EQ(a.boolean, b.boolean) << place;
  EXPECT_TRUE(a.float32 == b.float32 && a.float64 == b.float64 && a.int32 == b.int32 &&
              a.int64 == b.int64 && a.uint8 == b.uint8 && a.text == b.text)
      << place;
  for (const auto part : {&Tree::children, &Tree::attributes}) {
    ASSERT_EQ((a.*part).size(), (b.*part).size()) << place;
    for (size_t i = 0; i < (a.*part).size(); ++i) {
      EXPECT_EQ((a.*part)[i].first, (b.*part)[i].first);
      expect_equal((a.*part)[i].second, (b.*part)[i].second, place + "/" + (a.*part)[i].first);
    }
  }
}

TEST(Tree, WhatIsWrittenIsRead) {
  const TempFolder folder;
  const std::string path = folder.file("tree.h5");
  canal::write_tree(path, sample());
  expect_equal(canal::read_tree(path, "/"), sample(), "");
  EXPECT_EQ(canal::read_tree(path, "inner/wide").int64[0], INT64_MAX);
  EXPECT_EQ(canal::read_tree(path, "/inner").child("narrow")->int32[0], INT32_MIN);
  EXPECT_EQ(canal::list_names(path, "inner"),
            (std::vector<std::string>{"doubles", "narrow", "wide"}));
  EXPECT_LT(std::filesystem::file_size(path), 700 * 1001 / 2);
}

TEST(Tree, EntriesKeepTheirOrder) {
  const TempFolder folder;
  const std::string path = folder.file("tree.h5");
  Tree inner, root;
  inner.children = {{"z", floats({}, {1})}, {"10", floats({}, {2})}, {"9", floats({}, {3})}};
  root.children = {{"second", inner}, {"first", inner}};
  canal::write_tree(path, root);
  const Tree tree = canal::read_tree(path, "/");
  EXPECT_EQ(tree.children[0].first, "second");
  EXPECT_EQ(tree.child("first")->children[0].first, "z");
  EXPECT_EQ(tree.child("first")->children[1].first, "10");
  EXPECT_EQ(canal::list_names(path, "first"), (std::vector<std::string>{"z", "10", "9"}));
}

TEST(Tree, WritingReplacesWholeFilesAndLeavesNoOthers) {
  const TempFolder folder;
  const std::string path = folder.file("tree.h5");
  canal::write_tree(path, sample());
  Tree small;
  small.children = {{"x", floats({1}, {7})}};
  canal::write_tree(path, small);
  expect_equal(canal::read_tree(path, "/"), small, "");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Tree, AFailedWriteKeepsTheOldFile) {
  const TempFolder folder;
  const std::string path = folder.file("tree.h5");
  canal::write_tree(path, sample());
  Tree wrong = sample();
  wrong.children.emplace_back("zz", floats({5}, {1}));
  expect_error(ErrorKind::input, "'/zz' cannot be written",
               [&] { canal::write_tree(path, wrong); });
  Tree twice;
  twice.children = {{"a", Tree()}, {"a", Tree()}};
  expect_error(ErrorKind::input, "two parts 'a'", [&] { canal::write_tree(path, twice); });
  Tree slash;
  slash.children = {{"a/b", Tree()}};
  expect_error(ErrorKind::input, "'a/b'", [&] { canal::write_tree(path, slash); });
  expect_equal(canal::read_tree(path, "/"), sample(), "");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(Tree, PlacesThatCannotBeWrittenAreNamed) {
  const TempFolder folder;
  const std::string plain = folder.write("plain", "x");
  expect_error(ErrorKind::file, "there is no folder",
               [&] { canal::write_tree(folder.file("no/such/tree.h5"), Tree()); });
  expect_error(ErrorKind::file, "it is a folder",
               [&] { canal::write_tree(std::filesystem::path(plain).parent_path(), Tree()); });
  expect_error(ErrorKind::file, "takes no new file",
               [&] { canal::write_tree(plain + "/tree.h5", Tree()); });
  EXPECT_EQ(folder.entries(), 1u);
  if (std::filesystem::exists("/proc/self")) {
    expect_error(ErrorKind::file, "takes no new file",
                 [] { canal::write_tree("/proc/canal-tree.h5", Tree()); });
  }
}

TEST(Tree, WhatKilledWritersLeftIsRemovedWhenItIsOld) {
  const TempFolder folder;
  const std::string old = folder.write("tree.h5.canalR-part-aB3xYz", "x");
  folder.write("tree.h5.canalR-part-fresh1", "x");
  const std::string others = folder.write("other.h5.canalR-part-aB3xYz", "x");
  const std::string users = folder.write("tree.h5.canalR-part-of-mine", "x");
  const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(2);
  for (const std::string& path : {old, others, users}) {
    std::filesystem::last_write_time(path, long_ago);
  }
  canal::write_tree(folder.file("tree.h5"), sample());
  EXPECT_FALSE(std::filesystem::exists(old));
  EXPECT_TRUE(std::filesystem::exists(others));
  EXPECT_TRUE(std::filesystem::exists(users));
  EXPECT_EQ(folder.entries(), 4u);
}

// As root /dev/null could be replaced.
TEST(Tree, WhatIsNoFileIsNotReplaced) {
  const TempFolder folder;
  const std::string pipe = folder.file("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::filesystem::create_symlink(pipe, folder.file("to-pipe"));
  std::filesystem::create_symlink("loop", folder.file("loop"));
  for (const char* name : {"pipe", "to-pipe"}) {
    expect_error(ErrorKind::file, "it is a pipe or device",
                 [&] { canal::write_tree(folder.file(name), sample()); });
  }
  expect_error(ErrorKind::file, "it is a link that leads to no end",
               [&] { canal::write_tree(folder.file("loop"), sample()); });
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  EXPECT_TRUE(std::filesystem::is_symlink(folder.file("loop")));
  EXPECT_EQ(folder.entries(), 3u);
}

TEST(Tree, ALinkStaysALink) {
  const TempFolder folder;
  const TempFolder elsewhere;
  std::filesystem::create_symlink(elsewhere.file("real.h5"), folder.file("link.h5"));
  canal::write_tree(folder.file("link.h5"), sample());
  EXPECT_TRUE(std::filesystem::is_symlink(folder.file("link.h5")));
  expect_equal(canal::read_tree(elsewhere.file("real.h5"), "/"), sample(), "");
}

TEST(Tree, FilesThatCannotBeReadSayWhy) {
  const TempFolder folder;
  const auto read = [](const std::string& path) { canal::read_tree(path, "/"); };
  expect_error(ErrorKind::file, "no such file", [&] { read(folder.file("none.h5")); });
  expect_error(ErrorKind::file, "is a folder", [&] { read(folder.file(".")); });
  expect_error(ErrorKind::file, "is no HDF5 file", [&] { read(folder.write("a", "hello")); });
  expect_error(ErrorKind::file, "is no HDF5 file", [&] { read(folder.write("b", "")); });
  const std::string path = folder.file("tree.h5");
  canal::write_tree(path, sample());
  expect_error(ErrorKind::file, "holds nothing called 'inner/x/y'",
               [&] { canal::read_tree(path, "inner/x/y"); });
  const std::string whole = read_bytes(path);
  for (const size_t size : {whole.size() - 1, whole.size() / 2, size_t{700}, size_t{96}}) {
    expect_error(ErrorKind::file, "is truncated",
                 [&] { read(folder.write("cut.h5", whole.substr(0, size))); });
  }
}

Tree small_sample() {
  Tree root = sample();
  root.children.erase(root.children.begin());
  return root;
}

TEST(Tree, AnyChangedByteIsNoticedOrMakesNoDifference) {
  const TempFolder folder;
  const std::string path = folder.file("tree.h5");
  canal::write_tree(path, small_sample());
  const std::string whole = read_bytes(path);
  size_t tried = 0, refused = 0;
  // All of the checksum's, and every 11th of the rest.
  for (size_t at = 0; at < whole.size(); at += at < 512 ? 1 : 11) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
    folder.write("tree.h5", changed);
    try {
      expect_equal(canal::read_tree(path, "/"), small_sample(), "byte " + std::to_string(at));
    } catch (const canal::Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::file) << error.what();
      ++refused;
    }
    ++tried;
  }
  // The 16 bytes that a checksum is known by; without them it is not looked at.
  EXPECT_EQ(refused, tried - 16);
}

TEST(Tree, TheChecksumStandsBeforeTheHdf5Part) {
  const TempFolder folder;
  const std::string path = folder.file("tree.h5");
  canal::write_tree(path, sample());
  const std::string whole = read_bytes(path);
  canal::Digest digest;
  digest.add(whole.data() + 512, whole.size() - 512);
  const std::string line = "canalR checksum 1: " + std::to_string(whole.size() - 512) +
                           " bytes, FNV-1a " + digest.text() + "\n";
  EXPECT_EQ(whole.substr(0, line.size()), line);
  EXPECT_EQ(whole.find_first_not_of('\0', line.size()), 512u);
  EXPECT_EQ(whole.substr(512, 8), "\x89HDF\r\n\x1a\n");
  // Other programs' HDF5, which knows nothing of it.
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  EXPECT_GT(H5Lexists(file, "inner/doubles", H5P_DEFAULT), 0);
  H5Fclose(file);
  expect_error(ErrorKind::file, "its checksum is another",
               [&] { canal::read_tree(folder.write("longer.h5", whole + "x"), "/"); });
  // As files were before they had checksums.
  expect_equal(canal::read_tree(folder.write("bare.h5", whole.substr(512)), "/"), sample(), "");
}

TEST(Digest, IsFnv1aOfAllParts) {
  canal::Digest none, parts;
  EXPECT_EQ(none.text(), "cbf29ce484222325");
  parts.add("foo", 3);
  parts.add("bar", 3);
  EXPECT_EQ(parts.text(), "85944171f73967e8");  // published with the algorithm
}

// Files that only HDF5 itself can make.
class RawFile {
 public:
  explicit RawFile(const std::string& path)
      : id_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
  ~RawFile() { H5Fclose(id_); }
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
};

template <class Value>
void put(hid_t file, const char* name, hid_t file_type, hid_t memory_type,
         const std::vector<Value>& values) {
  const hsize_t extent = values.size();
  const hid_t space = H5Screate_simple(1, &extent, nullptr);
  const hid_t set = H5Dcreate2(file, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
  H5Dclose(set);
  H5Sclose(space);
}

TEST(Tree, EveryWidthOfIntegerIsRead) {
  const TempFolder folder;
  const std::string path = folder.file("raw.h5");
  {
    const RawFile file(path);
    const std::vector<int> values{1, -2, 3};
    put(file, "i8", H5T_STD_I8LE, H5T_NATIVE_INT, values);
    put(file, "i16", H5T_STD_I16BE, H5T_NATIVE_INT, values);
    put(file, "u16", H5T_STD_U16LE, H5T_NATIVE_INT, std::vector<int>{1, 2, 65535});
    put(file, "u32", H5T_STD_U32LE, H5T_NATIVE_UINT, std::vector<unsigned>{4000000000u});
    put(file, "u64", H5T_STD_U64LE, H5T_NATIVE_ULLONG, std::vector<unsigned long long>{5});
    put(file, "huge", H5T_STD_U64LE, H5T_NATIVE_ULLONG, std::vector<unsigned long long>{~0ull});
  }
  EXPECT_EQ(canal::read_tree(path, "i8").int32, (std::vector<int32_t>{1, -2, 3}));
  EXPECT_EQ(canal::read_tree(path, "i16").int32, (std::vector<int32_t>{1, -2, 3}));
  EXPECT_EQ(canal::read_tree(path, "u16").int32, (std::vector<int32_t>{1, 2, 65535}));
  EXPECT_EQ(canal::read_tree(path, "u32").int64, (std::vector<int64_t>{4000000000}));
  EXPECT_EQ(canal::read_tree(path, "u64").int64, (std::vector<int64_t>{5}));
  expect_error(ErrorKind::file, "over 2^63 - 1", [&] { canal::read_tree(path, "huge"); });
}

TEST(Tree, FixedTextsLoseTheirPadding) {
  using Padded = std::vector<std::array<char, 4>>;
  const TempFolder folder;
  const std::string path = folder.file("raw.h5");
  {
    const RawFile file(path);
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, 4);
    put(file, "zeros", type, type, Padded{{{'a', 'b', 0, 0}}});
    H5Tset_strpad(type, H5T_STR_SPACEPAD);
    put(file, "spaces", type, type, Padded{{{'a', 'b', ' ', ' '}}});
    H5Tclose(type);
  }
  EXPECT_EQ(canal::read_tree(path, "zeros").text[0], "ab");
  EXPECT_EQ(canal::read_tree(path, "spaces").text[0], "ab");
}

TEST(Tree, AGroupInItselfAndAHugeDeclarationAreRefused) {
  const TempFolder folder;
  const std::string cycle = folder.file("cycle.h5");
  const std::string huge = folder.file("huge.h5");
  {
    const RawFile file(cycle);
    const hid_t group = H5Gcreate2(file, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_hard(file, "g", group, "again", H5P_DEFAULT, H5P_DEFAULT);
    H5Gclose(group);
    const RawFile second(huge);
    const hsize_t extents[] = {hsize_t{1} << 40, hsize_t{1} << 20};
    const hid_t space = H5Screate_simple(2, extents, nullptr);
    const hid_t late = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {16, 16};
    H5Pset_chunk(late, 2, chunk);
    H5Dclose(H5Dcreate2(second, "x", H5T_IEEE_F32LE, space, H5P_DEFAULT, late, H5P_DEFAULT));
    H5Pclose(late);
    H5Sclose(space);
  }
  expect_error(ErrorKind::file, "contains itself", [&] { canal::read_tree(cycle, "/"); });
  expect_error(ErrorKind::file, "more than a file of", [&] { canal::read_tree(huge, "x"); });
}

TEST(Tree, GoldenArraysHaveTheSizesTheirAttributesTell) {
  const Tree root = canal::read_tree(golden("reference.h5"), "/");
  const auto size = [&](const char* name) {
    const Tree* attribute = root.attribute(name);
    return attribute->kind == Tree::Kind::int32 ? attribute->int32[0] : attribute->int64[0];
  };
  ASSERT_NE(root.child("encodings"), nullptr);
  const std::vector<int64_t>& shape = root.child("encodings")->shape;
  EXPECT_EQ(shape[1], size("n_genes") + 1);
  EXPECT_EQ(shape[2], size("dim"));
  EXPECT_EQ(root.child("tokens")->shape, (std::vector<int64_t>{shape[0], shape[1]}));
  const Tree prepared = canal::read_tree(golden("preprocess.h5"), "/");
  EXPECT_EQ(prepared.child("vocabulary")->text.size(), prepared.child("means")->float64.size());
}

}  // namespace
