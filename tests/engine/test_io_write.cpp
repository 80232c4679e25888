// Checkpoints that canalR writes, read back and looked at byte by byte.
#include <cmath>
#include <limits>

#include "engine/checkpoint.h"
#include "engine/io/bytes.h"
#include "io_support.h"

namespace {

using namespace io_test;
using canal::Checkpoint;
using canal::ErrorKind;
using Writer = void (*)(const std::string&, const Checkpoint&);

Checkpoint some_checkpoint() {
  Checkpoint checkpoint;
  checkpoint.weights = {
      {"token_emb.weight", {{2, 3}, {1, -0.0f, 1.0f / 3, 1e-45f, 3.4028235e38f, -6}}},
      {"performer.net.layers.0.0.norm.weight", {{3}, {7, 8, 9}}},
      {"to_out.conv1.weight", {{1, 1, 1, 2}, {0.5f, INFINITY}}},
      {"scalar", {{}, {4}}},
      {"empty", {{0, 3}, {}}}};
  checkpoint.annotation = {"T \"helper\"\n", "\xce\xb2", ""};
  checkpoint.variable_genes0 = {0, 2, int64_t{1} << 40};
  checkpoint.genes = {"A", "C"};
  checkpoint.vocabulary = {"A", "B", "C"};
  checkpoint.settings = {{"dim", 200}, {"lambda", 0.1}, {"patience", INFINITY}};
  checkpoint.preset = "compact";
  checkpoint.positions = "learned";
  checkpoint.epoch = 12;
  return checkpoint;
}

class Written : public testing::TestWithParam<Writer> {
 protected:
  void write(const Checkpoint& checkpoint) { GetParam()(path_, checkpoint); }
  Checkpoint read() const { return canal::read_checkpoint(path_); }
  bool is_torch() const { return GetParam() == Writer{canal::write_torch_checkpoint}; }

  TempFolder folder_;
  const std::string path_ = folder_.file("model.file");
};

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i], b[i]);
    EXPECT_EQ(std::signbit(a[i]), std::signbit(b[i]));
  }
}

TEST_P(Written, ComesBackAsItWas) {
  const Checkpoint before = some_checkpoint();
  write(before);
  const Checkpoint after = read();
  ASSERT_EQ(after.weights.size(), before.weights.size());
  for (size_t i = 0; i < before.weights.size(); ++i) {
    EXPECT_EQ(after.weights[i].first, before.weights[i].first);
    EXPECT_EQ(after.weights[i].second.shape, before.weights[i].second.shape);
    expect_same_bits(after.weights[i].second.values, before.weights[i].second.values);
  }
  EXPECT_EQ(after.annotation, before.annotation);
  EXPECT_EQ(after.genes, before.genes);
  EXPECT_EQ(after.vocabulary, before.vocabulary);
  EXPECT_EQ(after.settings, before.settings);
  EXPECT_EQ(after.preset, before.preset);
  EXPECT_EQ(after.positions, before.positions);
  if (is_torch()) {
    EXPECT_EQ(after.variable_genes0, before.variable_genes0);
    EXPECT_EQ(after.skipped, std::vector<std::string>{"epoch (int)"});
  } else {
    EXPECT_TRUE(after.skipped.empty());
  }
}

TEST_P(Written, WithoutTypesThereIsNoAnnotation) {
  Checkpoint checkpoint = some_checkpoint();
  checkpoint.annotation.clear();
  write(checkpoint);
  EXPECT_TRUE(read().annotation.empty());
  EXPECT_TRUE(read().variable_genes0.empty());
  if (is_torch()) {
    EXPECT_EQ(read_bytes(path_).find("annotation"), std::string::npos);
  }
}

TEST_P(Written, TheSameModelGivesTheSameBytes) {
  write(some_checkpoint());
  const std::string first = read_bytes(path_);
  write(some_checkpoint());
  EXPECT_EQ(read_bytes(path_), first);
  EXPECT_EQ(folder_.entries(), 1u);
}

TEST_P(Written, AFolderThatIsNotThereIsNamed) {
  expect_error(ErrorKind::file, "there is no folder",
               [&] { GetParam()(folder_.file("none/model.file"), some_checkpoint()); });
  EXPECT_EQ(folder_.entries(), 0u);
}

TEST(Written, NoChangedBitOfASafetensorsIsReadAsOtherWeights) {
  const TempFolder folder;
  const std::string path = folder.file("model.safetensors");
  canal::write_safetensors(path, some_checkpoint());
  const Checkpoint whole = canal::read_checkpoint(path);
  EXPECT_TRUE(whole.skipped.empty());
  const std::string bytes = read_bytes(path);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
      folder.write("model.safetensors", changed);
      try {
        const Checkpoint read = canal::read_checkpoint(path);
        ASSERT_EQ(read.weights.size(), whole.weights.size()) << "byte " << at;
        EXPECT_EQ(read.annotation, whole.annotation) << "byte " << at;
        for (size_t i = 0; i < read.weights.size(); ++i) {
          EXPECT_EQ(read.weights[i].second.values, whole.weights[i].second.values) << "byte " << at;
        }
      } catch (const canal::Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::file) << error.what();
      }
    }
  }
}

TEST(Written, AChecksumThatOtherProgramsLeaveOrTakeForThemselves) {
  const TempFolder folder;
  const std::string path = folder.file("model.safetensors");
  canal::write_safetensors(path, some_checkpoint());
  std::string bytes = read_bytes(path);
  const size_t at = bytes.find("canalR FNV-1a ");
  folder.write("model.safetensors", std::string(bytes).replace(at, 6, "others"));
  EXPECT_EQ(canal::read_checkpoint(path).skipped, std::vector<std::string>{"checksum (metadata)"});
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  folder.write("model.safetensors", bytes);
  expect_error(ErrorKind::file, "leave 'checksum' out", [&] { canal::read_checkpoint(path); });
}

TEST_P(Written, TruncationIsNoticed) {
  write(some_checkpoint());
  const std::string whole = read_bytes(path_);
  for (size_t size = 0; size < whole.size(); size += 7) {
    folder_.write("model.file", whole.substr(0, size));
    expect_error(ErrorKind::file, "", [&] { read(); });
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, Written,
                         testing::Values(Writer{canal::write_torch_checkpoint},
                                         Writer{canal::write_safetensors}),
                         [](const auto& form) {
                           return form.index == 0 ? "Torch" : "Safetensors";
                         });

TEST(TorchFileWritten, DataBeginAtMultiplesOf64AndTheVersionIsThere) {
  const TempFolder folder;
  const std::string path = folder.file("m.pth");
  canal::write_torch_checkpoint(path, some_checkpoint());
  const std::string bytes = read_bytes(path);
  size_t entries = 0;
  for (size_t at = bytes.find("PK\x03\x04"); at != std::string::npos;
       at = bytes.find("PK\x03\x04", at + 1)) {
    const auto name = canal::io::load_little<uint16_t>(bytes.data() + at + 26);
    const auto extra = canal::io::load_little<uint16_t>(bytes.data() + at + 28);
    EXPECT_EQ((at + 30 + name + extra) % 64, 0u) << bytes.substr(at + 30, name);
    ++entries;
  }
  EXPECT_EQ(entries, 3 + 5 + 2u);  // description, byte order, version; weights; counter and places
  canal::io::ZipFile zip(bytes);
  EXPECT_EQ(zip.read("archive/version"), "3\n");
  EXPECT_EQ(zip.read("archive/byteorder"), "little");
  EXPECT_NE(zip.read("archive/data.pkl").find("performer.calls_since_last_redraw"),
            std::string::npos);
}

}  // namespace
