// HDF5 files made to do harm: links without end, sizes that are only declared, values elsewhere.
#include <hdf5.h>
#include <sys/resource.h>
#include <unistd.h>

#include <new>
#include <thread>

#include "engine/cell_file.h"
#include "engine/io/hdf5_handle.h"
#include "engine/tree.h"
#include "io_support.h"

namespace {

using namespace io_test;
using canal::ErrorKind;
using canal::Tree;

// Handles are closed with the file.
class MadeFile {
 public:
  explicit MadeFile(const std::string& path) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    id_ = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
  }
  ~MadeFile() { H5Fclose(id_); }
  MadeFile(const MadeFile&) = delete;
  MadeFile& operator=(const MadeFile&) = delete;
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
};

hid_t space_of(const std::vector<hsize_t>& extents) {
  return H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
}

// layout: the properties it is created with; they are closed.
hid_t array(hid_t file, const char* name, hid_t type, const std::vector<hsize_t>& extents,
            hid_t layout = H5P_DEFAULT) {
  const hid_t space = space_of(extents);
  const hid_t made = H5Dcreate2(file, name, type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
  H5Sclose(space);
  if (layout != H5P_DEFAULT) H5Pclose(layout);
  return made;
}

hid_t text_type() {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, H5T_VARIABLE);
  return type;
}

void refuse(const std::string& fragment, const std::string& path, const std::string& place) {
  expect_error(ErrorKind::file, fragment, [&] { canal::read_tree(path, place); });
}

// g0 has g1 under two names, g1 has g2, and so on: 2^40 ways to the last.
TEST(HostileHdf5, LinksThatDoubleEnd) {
  const TempFolder folder;
  const std::string path = folder.file("made.h5");
  {
    const MadeFile file(path);
    for (int i = 40; i >= 0; --i) {
      const std::string name = "g" + std::to_string(i);
      const hid_t group = H5Gcreate2(file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      if (i == 40) continue;
      const std::string next = "g" + std::to_string(i + 1);
      H5Lcreate_hard(file, next.c_str(), group, "a", H5P_DEFAULT, H5P_DEFAULT);
      H5Lcreate_hard(file, next.c_str(), group, "b", H5P_DEFAULT, H5P_DEFAULT);
    }
  }
  refuse("its objects add up", path, "/");
}

TEST(HostileHdf5, NoLinkLeavesTheFile) {
  const TempFolder folder;
  const std::string other = folder.file("other.h5");
  const std::string path = folder.file("made.h5");
  {
    const MadeFile far(other);
    H5Gcreate2(far, "secret", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const MadeFile file(path);
    H5Lcreate_external(other.c_str(), "/", file, "away", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/away/secret", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
    H5Gcreate2(file, "here", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/here", file, "near", H5P_DEFAULT, H5P_DEFAULT);
  }
  refuse("holds nothing called 'away'", path, "away");
  refuse("holds nothing called 'away/secret'", path, "away/secret");
  refuse("cannot be opened", path, "soft");
  EXPECT_NO_THROW(canal::read_tree(path, "near"));
}

TEST(HostileHdf5, ValuesOfOtherFilesAreRefused) {
  const TempFolder folder;
  const std::string path = folder.file("made.h5");
  const std::string secret = folder.write("secret", "0123456789abcdef");
  {
    const MadeFile file(path);
    const hid_t external = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(external, secret.c_str(), 0, 16);
    array(file, "external", H5T_STD_U8LE, {16}, external);
    array(file, "source", H5T_STD_U8LE, {16});
    const hid_t composed = H5Pcreate(H5P_DATASET_CREATE);
    const hid_t space = space_of({16});
    H5Pset_virtual(composed, space, secret.c_str(), "source", space);
    H5Sclose(space);
    array(file, "composed", H5T_STD_U8LE, {16}, composed);
  }
  refuse("'external' whose values lie in another file", path, "external");
  refuse("'composed' whose values lie in another file", path, "composed");
  EXPECT_EQ(canal::read_tree(path, "source").uint8.size(), 16u);
}

hid_t chunks_of(hsize_t extent) {
  const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(layout, 1, &extent);
  return layout;
}

TEST(HostileHdf5, WhatIsNotStoredIsNotBelieved) {
  const TempFolder folder;
  const std::string path = folder.file("made.h5");
  {
    const MadeFile file(path);
    array(file, "large", H5T_STD_I32LE, {3 << 20});
    array(file, "small", H5T_STD_I32LE, {1000});
    // Four values in chunks of a gigabyte, which HDF5 would make room for.
    const hsize_t extent = 4;
    const hsize_t unlimited = H5S_UNLIMITED;
    const hid_t space = H5Screate_simple(1, &extent, &unlimited);
    const hid_t layout = chunks_of(hsize_t{1} << 28);
    H5Dcreate2(file, "chunk", H5T_STD_I32LE, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    H5Pclose(layout);
    H5Sclose(space);
    hid_t group = H5Gcreate2(file, "many", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    for (int i = 0; i < 100; ++i) {
      array(group, std::to_string(i).c_str(), H5T_STD_I32LE, {1 << 20});
    }
  }
  refuse("declares 3145728 values in 'large'", path, "large");
  refuse("declares 268435456 values in 'chunk'", path, "chunk");
  refuse("its arrays add up to far more", path, "many");
  EXPECT_EQ(canal::read_tree(path, "small").int32, std::vector<int32_t>(1000, 0));
}

TEST(HostileHdf5, CompressedZerosAreBelieved) {
  const TempFolder folder;
  const std::string path = folder.file("made.h5");
  const std::vector<int32_t> zeros(8 << 20, 0);
  {
    const MadeFile file(path);
    const hid_t layout = chunks_of(1 << 18);
    H5Pset_deflate(layout, 9);
    const hid_t set = array(file, "zeros", H5T_STD_I32LE, {zeros.size()}, layout);
    H5Dwrite(set, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data());
  }
  EXPECT_LT(std::filesystem::file_size(path), 64u << 10);
  EXPECT_EQ(canal::read_tree(path, "zeros").int32, zeros);
}

// All texts of an array lie where the first does, so that the file is small and they are not.
TEST(HostileHdf5, TextsAtOnePlaceArePaidForOneByOne) {
  constexpr size_t count = 3000;
  constexpr size_t reference = 16;  // length, address, index
  const TempFolder folder;
  const std::string path = folder.file("made.h5");
  const std::string text(60000, 'x');
  size_t at = 0;
  {
    const MadeFile file(path);
    const hid_t type = text_type();
    const hid_t set = array(file, "texts", type, {count});
    std::vector<const char*> texts(count, "y");
    texts[0] = text.c_str();
    H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts.data());
    at = H5Dget_offset(set);
    H5Tclose(type);
  }
  EXPECT_EQ(canal::read_tree(path, "texts").text[0], text);
  std::string bytes = read_bytes(path);
  for (size_t i = 1; i < count; ++i) {
    bytes.replace(at + i * reference, reference, bytes.substr(at, reference));
  }
  refuse("'texts' that cannot be read", folder.write("changed.h5", bytes), "texts");
}

TEST(HostileHdf5, AttributesOfThousandsOfTextsAreLeftOut) {
  const TempFolder folder;
  const std::string path = folder.file("made.h5");
  {
    const MadeFile file(path);
    const hid_t type = text_type();
    for (const auto& [name, count] : {std::pair{"few", 1000}, std::pair{"many", 2000}}) {
      const std::vector<const char*> texts(static_cast<size_t>(count), "a");
      const hid_t space = space_of({texts.size()});
      const hid_t attribute = H5Acreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
      H5Awrite(attribute, type, texts.data());
      H5Sclose(space);
    }
    H5Tclose(type);
  }
  const Tree tree = canal::read_tree(path, "/");
  ASSERT_NE(tree.attribute("few"), nullptr);
  EXPECT_EQ(tree.attribute("few")->text.size(), 1000u);
  EXPECT_EQ(tree.attribute("many"), nullptr);
}

// What HDF5 has for giving texts back divides by zero here.
TEST(HostileHdf5, TextsOfThirtyTwoDimensionsAreRead) {
  const TempFolder folder;
  const std::string path = folder.file("made.h5");
  std::vector<hsize_t> extents(H5S_MAX_RANK, 1);
  extents.back() = 2;
  {
    const MadeFile file(path);
    const hid_t type = text_type();
    const std::vector<const char*> texts{"a", "bc"};
    H5Dwrite(array(file, "texts", type, extents), type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
             texts.data());
    const hid_t space = space_of(extents);
    const hid_t attribute = H5Acreate2(file, "texts", type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, texts.data());
    H5Sclose(space);
    H5Tclose(type);
  }
  const std::vector<std::string> wanted{"a", "bc"};
  EXPECT_EQ(canal::read_tree(path, "/texts").text, wanted);
  const Tree tree = canal::read_tree(path, "/");
  ASSERT_NE(tree.attribute("texts"), nullptr);
  EXPECT_EQ(tree.attribute("texts")->text, wanted);
}

void names_of(hid_t file, const char* table, size_t count) {
  const hid_t group = H5Gcreate2(file, table, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, 5);
  std::string names;
  for (size_t i = 0; i < count; ++i) names += std::to_string(10000 + i);
  H5Dwrite(array(group, "_index", type, {count}), type, H5S_ALL, H5S_ALL, H5P_DEFAULT,
           names.data());
  H5Tclose(type);
}

// Deflate makes a thousand bytes of one, and every byte that is not 0 takes twelve in memory.
TEST(HostileHdf5, ValuesOfCellsArePaidForOneByOne) {
  constexpr size_t cells = 4000, genes = 5000;
  const TempFolder folder;
  const std::string path = folder.file("made.h5");
  {
    const MadeFile file(path);
    const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {cells, genes};
    H5Pset_chunk(layout, 2, chunk);
    H5Pset_deflate(layout, 9);
    const std::vector<uint8_t> ones(cells * genes, 1);
    H5Dwrite(array(file, "X", H5T_STD_U8LE, {cells, genes}, layout), H5T_NATIVE_UINT8, H5S_ALL,
             H5S_ALL, H5P_DEFAULT, ones.data());
    names_of(file, "obs", cells);
    names_of(file, "var", genes);
  }
  expect_error(ErrorKind::file, "its values add up to far more",
               [&] { canal::read_h5ad(path, "X"); });
  EXPECT_EQ(canal::read_cells(path, "X", 0, 2).value, std::vector<double>(2 * genes, 1));
}

// A matrix of two thousand million cells and no gene takes no byte of a file.
TEST(HostileHdf5, RowsOfNothingAreCountedBeforeTheyAreRead) {
  const TempFolder folder;
  const std::string path = folder.file("made.h5");
  {
    const MadeFile file(path);
    array(file, "X", H5T_IEEE_F32LE, {2000000000, 0});
    for (const char* table : {"obs", "var"}) {
      const hid_t group = H5Gcreate2(file, table, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      const hid_t type = text_type();
      array(group, "_index", type, {0});
      H5Tclose(type);
    }
  }
  expect_error(ErrorKind::file, "names 0 cells and its matrix has 2000000000",
               [&] { canal::read_h5ad(path, "X"); });
}

// A sanitizer needs memory of its own for the thread.
#if defined(__linux__) && !defined(CANALR_SANITIZED)
// Ends the process with 7 where want of memory is told as that. A thread's first call of HDF5 is
// the one that the library itself would not live through.
void read_without_memory(const std::string& path) {
  std::thread([&] {
    rlimit none;
    none.rlim_cur = none.rlim_max = 1 << 20;
    setrlimit(RLIMIT_AS, &none);
    try {
      canal::read_tree(path, "/");
    } catch (const std::bad_alloc&) {
      _exit(7);
    }
    _exit(1);
  }).join();
}

TEST(HostileHdf5, NoMemoryIsNoFaultOfTheFile) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const TempFolder folder;
  const std::string path = folder.file("sound.h5");
  {
    const MadeFile file(path);
    names_of(file, "obs", 10);
  }
  EXPECT_EXIT(read_without_memory(path), testing::ExitedWithCode(7), "");
}

// Ends the process with 7 where a name that cannot be kept stops HDF5 first and is an error then.
void hand_over_without_memory() {
  const std::string name(size_t{64} << 20, 'x');
  rlimit none;
  none.rlim_cur = none.rlim_max = 1 << 20;
  setrlimit(RLIMIT_AS, &none);
  canal::io::HandedTexts handed;
  if (handed.add(name.c_str()) >= 0) _exit(1);
  try {
    handed.take();
  } catch (const std::bad_alloc&) {
    _exit(7);
  }
  _exit(2);
}

TEST(HostileHdf5, NothingIsThrownThroughTheLibrary) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(hand_over_without_memory(), testing::ExitedWithCode(7), "");
}
#endif

}  // namespace
