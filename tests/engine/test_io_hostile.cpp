// Files made to do harm: nothing is executed, nothing crashes, no memory is asked for in vain.
#include "engine/checkpoint.h"
#include "engine/io/pickle.h"
#include "io_support.h"
#include "pickle_builder.h"

namespace {

using namespace io_test;
using canal::Checkpoint;
using canal::ErrorKind;

const std::vector<float> six{1, 2, 3, 4, 5, 6};
const std::string good_value = "}(" + text("w") + tensor({}) + text("note") + integer(1) + "u";

void read_made(const std::string& bytes) {
  const TempFolder folder;
  canal::read_checkpoint(folder.write("made.pth", bytes));
}

void read_value(const std::string& value) { read_made(torch_zip(value, {bytes_of(six)})); }

// Either reads it or says why not; any other exception or a crash is a failure.
bool reads(const std::string& path) {
  try {
    canal::read_checkpoint(path);
    return true;
  } catch (const canal::Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::file) << error.what();
    return false;
  }
}

TEST(Hostile, TruncationAtEveryByteIsAnError) {
  const TempFolder folder;
  const auto check = [&](const std::string& whole) {
    ASSERT_TRUE(reads(folder.write("f.pth", whole)));
    for (size_t size = 0; size < whole.size(); ++size) {
      ASSERT_FALSE(reads(folder.write("f.pth", whole.substr(0, size)))) << size;
    }
  };
  check(torch_zip(good_value, {bytes_of(six)}));
  check(torch_legacy(good_value, {six}));
}

TEST(Hostile, AnyChangedByteIsReadOrRefused) {
  const TempFolder folder;
  size_t refused = 0;
  for (const std::string& whole :
       {torch_legacy(good_value, {six}), torch_zip(good_value, {bytes_of(six)})}) {
    for (size_t at = 0; at < whole.size(); ++at) {
      for (const unsigned char flip : {0x01, 0xff}) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ flip);
        if (!reads(folder.write("f.pth", changed))) ++refused;
      }
    }
  }
  EXPECT_GT(refused, 300u);
}

TEST(Hostile, ACallOfTheShellStaysInert) {
  const TempFolder folder;
  const std::string mark = folder.file("executed");
  const std::string shell = call(global("os", "system"), {text("touch " + mark)});
  const std::string path = folder.write(
      "f.pth",
      torch_zip(dict({text("state_dict"), dict({text("w"), tensor({})}), text("args"), shell}),
                {bytes_of(six)}));
  const Checkpoint checkpoint = canal::read_checkpoint(path);
  EXPECT_FALSE(std::filesystem::exists(mark));
  EXPECT_EQ(
      checkpoint.skipped,
      (std::vector<std::string>{"args (os.system)", "os.system (Python code the file refers to)"}));
}

TEST(Hostile, UnknownOpcodesAreNamed) {
  expect_error(ErrorKind::file, "opcode EXT1 (0x82)", [] { read_value("\x82\x01"); });
  expect_error(ErrorKind::file, "opcode (0xff) at byte", [] { read_value("\xff"); });
  expect_error(ErrorKind::file, "protocol 9", [] { read_value("\x80\x09"); });
}

TEST(Hostile, DeclaredSizesAreBelievedOnlyWithinTheFile) {
  const std::string huge = little(UINT64_MAX, 8);
  for (const std::string& opcode :
       {"\x8d" + huge, "\x8e" + huge, "\x96" + huge, "\x95" + huge, "X" + little(UINT32_MAX, 4),
        "B" + little(UINT32_MAX, 4), "T" + little(UINT32_MAX, 4), "\x8b" + little(UINT32_MAX, 4)}) {
    expect_error(ErrorKind::file, "is truncated or damaged", [&] { read_value(opcode); });
  }
}

TEST(Hostile, TensorsStayInsideTheirStorage) {
  constexpr int64_t large = int64_t{1} << 62;
  const std::vector<TensorText> bad{
      {"0", "FloatStorage", 6, 1, {6}, {1}},   // one too far
      {"0", "FloatStorage", 6, -1, {1}, {1}},  // before the start
      {"0", "FloatStorage", 6, 6, {1}, {1}},
      {"0", "FloatStorage", 6, large, {}, {}},
      {"0", "FloatStorage", 6, 0, {2}, {6}},
      {"0", "FloatStorage", 6, 5, {2}, {-1}},
      {"0", "FloatStorage", 6, 0, {-2}, {1}},
      {"0", "FloatStorage", 6, 0, {large, large, 4}, {0, 0, 0}},  // the product overflows
      {"0", "FloatStorage", 6, 0, {2, 3}, {large, large}},        // so does the reach
      {"0", "FloatStorage", 6, 0, {1000000000}, {0}}};            // one number, a billion times
  for (const TensorText& description : bad) {
    expect_error(ErrorKind::file, "reaches beyond its storage", [&] {
      read_value(dict({text("w"), tensor(description)}));
    });
  }
  expect_error(ErrorKind::file, "should hold 7 numbers", [] {
    read_value(dict({text("w"), tensor({"0", "FloatStorage", 7, 0, {7}, {1}})}));
  });
  expect_error(ErrorKind::file, "should hold", [] {
    read_value(dict({text("w"), tensor({"0", "DoubleStorage", INT64_MAX, 0, {7}, {1}})}));
  });
  expect_error(ErrorKind::file, "do not fit together", [] {
    read_value(dict({text("w"), tensor({"0", "FloatStorage", 6, 0, {2, 3}, {1}})}));
  });
}

TEST(Hostile, AStrideThatIsNeverTakenMayBeAnything) {
  const TempFolder folder;
  const TensorText one{"0", "FloatStorage", 6, 2, {1, 1}, {INT64_MAX, INT64_MAX}};
  const std::string made = torch_zip(dict({text("w"), tensor(one)}), {bytes_of(six)});
  const Checkpoint checkpoint = canal::read_checkpoint(folder.write("f.pth", made));
  EXPECT_EQ(checkpoint.weights[0].second.values, std::vector<float>{3});
}

TEST(Hostile, ManyCopiesOfOneStorageAreRefused) {
  std::string value = "}(";
  const std::string one = tensor({"0", "FloatStorage", 100000, 0, {100000}, {1}});
  for (int i = 0; i < 100; ++i) value += text("w" + std::to_string(i)) + one;
  const std::vector<float> numbers(100000, 1.0f);
  expect_error(ErrorKind::file, "far more than the file can hold",
               [&] { read_made(torch_zip(value + "u", {bytes_of(numbers)})); });
}

// A text of `size` bytes that a list of types means `times` times, by two bytes each.
std::string many_of_one_text(size_t size, size_t times) {
  std::string names = "](" + text(std::string(size, 'x')) + "q\x01";
  for (size_t i = 0; i < times; ++i) names += std::string("h\x01", 2);
  return dict({text("state_dict"), dict({text("w"), tensor({})}), text("annotation"), names + "e"});
}

TEST(Hostile, ATextIsPaidForAsOftenAsItIsMeant) {
  EXPECT_NO_THROW(read_value(many_of_one_text(10, 10)));
  expect_error(ErrorKind::file, "far more than the file can hold",
               [] { read_value(many_of_one_text(10000, 10000)); });
}

TEST(Hostile, NamesInMessagesAreShort) {
  // A thousand entries of one kind whose name is long.
  const std::string name(900, 'x');
  std::string others = "}(" + text("w") + tensor({}) + text("a") + call(global("m", name), {}) +
                       std::string("q\x01", 2);
  for (int i = 0; i < 1000; ++i) others += text(std::to_string(i)) + std::string("h\x01", 2);
  const TempFolder folder;
  const Checkpoint checkpoint =
      canal::read_checkpoint(folder.write("f.pth", torch_zip(others + "u", {bytes_of(six)})));
  ASSERT_EQ(checkpoint.skipped.size(), 1002u);
  for (const std::string& skipped : checkpoint.skipped) EXPECT_LT(skipped.size(), 250u);
  expect_error(ErrorKind::file, "a pickled global has a name of 1002 bytes",
               [] { read_value(global("m", std::string(1001, 'x'))); });
}

TEST(Hostile, EntriesOfAZipFileDoNotOverlap) {
  // Two entries of the same bytes, of which the second is taken out and looked for in the first.
  const std::string large = start_pickle + good_value + "." + std::string(1000, ' ');
  std::string shared = zip_of({{"f/data.pkl", large}, {"f/data/0", large}});
  const size_t start = shared.find("f/data/0" + large);
  ASSERT_NE(start, std::string::npos);
  shared.erase(start - 30, 38 + large.size());
  const size_t end = shared.find("PK\x05\x06");
  const size_t listed = shared.find("PK\x01\x02");
  shared.replace(end + 16, 4, little(listed, 4));
  shared.replace(shared.find("PK\x01\x02", listed + 1) + 42, 4, little(0, 4));
  expect_error(ErrorKind::file, "its entries overlap", [&] { read_made(shared); });
}

TEST(Hostile, ValuesThatContainThemselvesEnd) {
  // A list in itself, a dict in itself, an object whose state is itself.
  const std::string list_cycle(
      "]q\x07h\x07"
      "a",
      6);
  const std::string dict_cycle = std::string("}q\x08", 3) + text("me") + std::string("h\x08s", 3);
  const std::string object_cycle = call(global("a", "b"), {}) + std::string(
                                                                    "q\x09h\x09"
                                                                    "b",
                                                                    5);
  const TempFolder folder;
  const std::string value =
      dict({text("state_dict"), dict({text("w"), tensor({})}), text("annotation"), list_cycle,
            text("bank"), dict_cycle, text("thing"), object_cycle});
  const std::string made = torch_zip(value, {bytes_of(six)});
  const Checkpoint checkpoint = canal::read_checkpoint(folder.write("f.pth", made));
  EXPECT_EQ(checkpoint.skipped.size(), 4u);

  // A state dict in itself, and an array whose items are the array.
  const std::string whole_cycle =
      std::string("}q\x01", 3) + text("state_dict") + std::string("h\x01s", 3);
  expect_error(ErrorKind::file, "holds no weights", [&] { read_value(whole_cycle); });
}

TEST(Hostile, DeepNestingNeedsNoStack) {
  const size_t depth = 1000000;
  std::string nested(depth, ']');
  nested += std::string(depth - 1, 'a');
  const TempFolder folder;
  const std::string value =
      dict({text("state_dict"), dict({text("w"), tensor({})}), text("deep"), nested});
  const std::string made = torch_zip(value, {bytes_of(six)});
  const Checkpoint checkpoint = canal::read_checkpoint(folder.write("f.pth", made));
  EXPECT_EQ(checkpoint.skipped, std::vector<std::string>{"deep (list)"});

  std::string parameter = tensor({});
  for (int i = 0; i < 1000; ++i) {
    parameter = call(global("torch._utils", "_rebuild_parameter"), {parameter, "\x88", none});
  }
  expect_error(ErrorKind::file, "holds no weights", [&] {
    read_value(dict({text("w"), parameter}));
  });
}

TEST(Hostile, TheStackIsNeverPoppedBelowItsMark) {
  for (const char* value : {"0", "a", "s", "b", "R", "\x85", "t", "u", "e", "1", "2", "Q", "\x93",
                            "o", "l", "q\x01", "(i", "N(a", "N(b"}) {
    expect_error(ErrorKind::file, "", [&] { read_value(value); });
  }
}

TEST(Hostile, BuildIsForObjectsAlone) {
  expect_error(ErrorKind::file, "no object", [] { read_value("}Nb"); });
  expect_error(ErrorKind::file, "no object", [] { read_value(global("os", "system") + "Nb"); });
  const std::string array = call(global("numpy.core.multiarray", "_reconstruct"),
                                 {global("numpy", "ndarray"), integers({0}), bytes3("b")});
  for (const std::string& state : {none, integer(3), tuple({none}), text("x")}) {
    expect_error(ErrorKind::file, "no tuple of five", [&] {
      read_value(dict({text("state_dict"), dict({text("w"), tensor({})}), text("annotation"),
                       array + state + "b"}));
    });
  }
}

TEST(Hostile, TensorsWithWrongArgumentsAreRefused) {
  const std::string rebuild = global("torch._utils", "_rebuild_tensor_v2");
  for (const std::string& arguments :
       {tuple({}), tuple({none, none, none}),
        tuple({storage({}), text("0"), integers({6}), integers({1})}),
        tuple({storage({}), integer(0), text("six"), integers({1})}),
        tuple({storage({}), integer(0), tuple({none}), integers({1})}),
        tuple({tuple({text("storage")}) + "Q", integer(0), integers({6}), integers({1})})}) {
    expect_error(ErrorKind::file, "is damaged", [&] {
      read_value(dict({text("w"), rebuild + arguments + "R"}));
    });
  }
  expect_error(ErrorKind::file, "no entry 'file/data/../x'", [] {
    read_value(dict({text("w"), tensor({"../x", "FloatStorage", 6, 0, {6}, {1}})}));
  });
}

TEST(Hostile, CompressedAndDamagedEntriesAreNamed) {
  const ZipEntries entries{{"f/data.pkl", start_pickle + good_value + "."},
                           {"f/data/0", bytes_of(six)}};
  expect_error(ErrorKind::file, "compressed entry 'f/data.pkl' (method 8)",
               [&] { read_made(zip_of(entries, 8)); });
  std::string damaged = zip_of(entries);
  const size_t at = damaged.find(bytes_of(six));
  damaged[at] = static_cast<char>(damaged[at] + 1);
  expect_error(ErrorKind::file, "checksum of its entry 'f/data/0'", [&] { read_made(damaged); });
  expect_error(ErrorKind::file, "without a 'data.pkl'", [] { read_made(zip_of({{"a", "b"}})); });
}

TEST(Zip, ChecksumIsTheStandardOne) { EXPECT_EQ(canal::io::crc32("123456789"), 0xcbf43926u); }

TEST(Pickle, OldProtocolsWriteNumbersAndTextsAsLines) {
  const canal::io::Pickle pickle = canal::io::read_pickle(
      "(I-12\nI01\nL123456789012L\nF-2.5\nS'a\\x41\\n'\nVb\\u00e9\ntp0\n.", 0);
  const std::vector<canal::io::NodeId>& items = pickle.parts_of(pickle.root).items;
  ASSERT_EQ(items.size(), 6u);
  EXPECT_EQ(pickle.node(items[0]).integer, -12);
  EXPECT_EQ(pickle.node(items[1]).kind, canal::io::NodeKind::boolean);
  EXPECT_EQ(pickle.node(items[2]).integer, 123456789012);
  EXPECT_EQ(pickle.node(items[3]).real, -2.5);
  EXPECT_EQ(pickle.node(items[4]).text, "aA\n");
  EXPECT_EQ(pickle.node(items[5]).text, "b\xc3\xa9");
}

TEST(Pickle, LongIntegersKeepTheirSign) {
  const canal::io::Pickle pickle = canal::io::read_pickle(
      std::string("(\x8a\x01\xff\x8a\x02\x00\x80\x8a\x00\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00"
                  "\x01t.",
                  23),
      0);
  const std::vector<canal::io::NodeId>& items = pickle.parts_of(pickle.root).items;
  ASSERT_EQ(items.size(), 4u);
  EXPECT_EQ(pickle.node(items[0]).integer, -1);
  EXPECT_EQ(pickle.node(items[1]).integer, -32768);
  EXPECT_EQ(pickle.node(items[2]).integer, 0);
  EXPECT_EQ(pickle.node(items[3]).kind, canal::io::NodeKind::big_integer);
}

}  // namespace
