// Gene tables: numpy's .npy and word2vec's text.
#include <sys/stat.h>

#include "engine/checkpoint.h"
#include "engine/tree.h"
#include "io_support.h"

namespace {

using namespace io_test;
using canal::ErrorKind;
using canal::FloatArray;
using canal::WordVectors;

std::string npy(const std::string& type, bool column_major, const std::string& shape,
                const std::string& data) {
  const std::string header = "{'descr': '" + type +
                             "', 'fortran_order': " + (column_major ? "True" : "False") +
                             ", 'shape': " + shape + ", }\n";
  return std::string("\x93NUMPY\x01\x00", 8) + little(header.size(), 2) + header + data;
}

FloatArray read_made(const std::string& bytes) {
  const TempFolder folder;
  return canal::read_npy(folder.write("made.npy", bytes));
}

TEST(Npy, MemoryOrdersAndTypesGiveTheSameTable) {
  const std::vector<float> expected{1, 2, 3, 4, 5, 6};
  const std::vector<std::string> forms{
      npy("<f4", false, "(2, 3)", bytes_of(expected)),
      npy("<f4", true, "(2, 3)", bytes_of(std::vector<float>{1, 4, 2, 5, 3, 6})),
      npy("<f8", false, "(2, 3)", bytes_of(std::vector<double>{1, 2, 3, 4, 5, 6})),
      npy("<i8", false, "(2,3)", bytes_of(std::vector<int64_t>{1, 2, 3, 4, 5, 6})),
      npy("|u1", false, "(2, 3)", std::string("\1\2\3\4\5\6")),
      npy(">i2", false, "(2, 3)", std::string("\0\1\0\2\0\3\0\4\0\5\0\6", 12))};
  for (const std::string& form : forms) {
    const FloatArray table = read_made(form);
    EXPECT_EQ(table.shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(table.values, expected);
  }
}

TEST(Npy, WhatDoesNotFitIsRefused) {
  const std::string six(24, '\0');
  expect_error(ErrorKind::file, "is no .npy file", [] { read_made("some text"); });
  expect_error(ErrorKind::file, "1 dimensions", [&] { read_made(npy("<f4", false, "(6,)", six)); });
  expect_error(ErrorKind::file, "no plain numbers",
               [&] { read_made(npy("|O", false, "(2, 3)", six)); });
  expect_error(ErrorKind::file, "is truncated: it should hold 3 x 3",
               [&] { read_made(npy("<f4", false, "(3, 3)", six)); });
  expect_error(ErrorKind::file, "is truncated",
               [&] { read_made(npy("<f4", false, "(4611686018427387904, 4)", six)); });
  const std::string whole = npy("<f4", false, "(2, 3)", six);
  for (size_t size = 0; size < whole.size(); ++size) {
    expect_error(ErrorKind::file, "", [&] { read_made(whole.substr(0, size)); });
  }
}

WordVectors read_text(const std::string& text) {
  const TempFolder folder;
  return canal::read_word2vec(folder.write("made.txt", text));
}

TEST(Word2vec, HeaderLineEndsAndBlanksMakeNoDifference) {
  for (const char* text :
       {"2 3\nA1 1 2 3\nB-2 -4 5e-1 6\n", "A1 1 2 3\nB-2 -4 5e-1 6",
        "A1\t1\t2\t3 \r\nB-2\t-4\t0.5\t6 \r\n\r\n", "2 3\nA1 1 2 3\nB-2 -4 .5 6"}) {
    const WordVectors vectors = read_text(text);
    EXPECT_EQ(vectors.words, (std::vector<std::string>{"A1", "B-2"}));
    EXPECT_EQ(vectors.table.shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(vectors.table.values, (std::vector<float>{1, 2, 3, -4, 0.5, 6}));
  }
}

TEST(Word2vec, DamageIsNamedByItsVector) {
  expect_error(ErrorKind::file, "2 numbers in vector 2 ('B')",
               [] { read_text("A 1 2 3\nB 1 2\n"); });
  expect_error(ErrorKind::file, "'x' in vector 1", [] { read_text("A 1 x\n"); });
  expect_error(ErrorKind::file, "'nan' in vector 1", [] { read_text("A 1 nan\n"); });
  expect_error(ErrorKind::file, "announces 3 words and holds 2",
               [] { read_text("3 1\nA 1\nB 2\n"); });
  expect_error(ErrorKind::file, "holds no word vectors", [] { read_text("\n\n"); });
  expect_error(ErrorKind::file, "zero byte", [] { read_text(std::string("A\0B 1 2\n", 8)); });
}

// A pipe that nobody writes to would be waited for without end.
TEST(Files, PipesAreNoFiles) {
  const TempFolder folder;
  const std::string path = folder.file("pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  expect_error(ErrorKind::file, "is a pipe or device", [&] { canal::read_word2vec(path); });
  expect_error(ErrorKind::file, "is a pipe or device", [&] { canal::read_tree(path, "/"); });
}

}  // namespace
