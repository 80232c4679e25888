// Checkpoints: the golden ones whole, then every form of tensor and array from pickles by hand.
#include <cmath>

#include "engine/checkpoint.h"
#include "engine/tree.h"
#include "io_support.h"
#include "pickle_builder.h"

namespace {

using namespace io_test;
using canal::Checkpoint;
using canal::ErrorKind;
using canal::FloatArray;

const std::vector<float> six{1, 2, 3, 4, 5, 6};

Checkpoint read_made(const std::string& bytes) {
  const TempFolder folder;
  return canal::read_checkpoint(folder.write("made.pth", bytes));
}

Checkpoint read_value(const std::string& value, const std::vector<std::string>& storages) {
  return read_made(torch_zip(value, storages));
}

FloatArray only_weight(const TensorText& description, const std::string& storage) {
  const Checkpoint checkpoint = read_value(dict({text("w"), tensor(description)}), {storage});
  EXPECT_EQ(checkpoint.weights.size(), 1u);
  return checkpoint.weights.empty() ? FloatArray{} : checkpoint.weights[0].second;
}

void expect_equal(const canal::Weights& a, const canal::Weights& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    EXPECT_EQ(a[i].second.shape, b[i].second.shape);
    EXPECT_EQ(a[i].second.values, b[i].second.values);
  }
}

TEST(GoldenCheckpoint, ZipAndLegacyHoldTheSameWeights) {
  const Checkpoint zip = canal::read_checkpoint(golden("pretrained.pth"));
  const Checkpoint legacy = canal::read_checkpoint(golden("pretrained_legacy.pth"));
  ASSERT_GT(zip.weights.size(), 10u);
  expect_equal(zip.weights, legacy.weights);
}

// Five steps of training move a weight by a few times the learning rate, so the weights that HDF5
// brings after them must be those of the checkpoint but for that.
TEST(GoldenCheckpoint, WeightsAreThoseThatTrainingBeganWith) {
  const Checkpoint start = canal::read_checkpoint(golden("canal_stage2_start.pth"));
  const canal::Tree after =
      canal::read_tree(golden("reference.h5"), "stage2/weights_after_5_steps");
  ASSERT_FALSE(after.children.empty());
  for (const auto& [name, trained] : after.children) {
    const FloatArray* weight = canal::find(start.weights, name);
    ASSERT_NE(weight, nullptr) << name;
    ASSERT_EQ(weight->shape, trained.shape) << name;
    for (size_t i = 0; i < trained.float32.size(); ++i) {
      ASSERT_NEAR(weight->values[i], trained.float32[i], 2e-4) << name;
    }
  }
}

// CANAL cuts the position table to its chosen genes.
TEST(GoldenCheckpoint, CanalsPositionsAreThePretrainedOnesOfItsGenes) {
  const Checkpoint whole = canal::read_checkpoint(golden("pretrained.pth"));
  const Checkpoint cut = canal::read_checkpoint(golden("canal_stage1.pth"));
  const FloatArray* all = canal::find(whole.weights, "pos_emb.emb.weight");
  const FloatArray* chosen = canal::find(cut.weights, "pos_emb.emb.weight");
  ASSERT_TRUE(all != nullptr && chosen != nullptr);
  const auto width = static_cast<size_t>(all->shape[1]);
  for (size_t i = 0; i < cut.variable_genes0.size(); ++i) {
    const size_t row = static_cast<size_t>(cut.variable_genes0[i]) * width;
    for (size_t d = 0; d < width; ++d) {
      ASSERT_EQ(chosen->values[i * width + d], all->values[row + d]) << i;
    }
  }
}

TEST(GoldenCheckpoint, PositionTableHasARowForEachGeneAndOneToClose) {
  const Checkpoint checkpoint = canal::read_checkpoint(golden("pretrained.pth"));
  const FloatArray table = canal::read_npy(golden("gene2vec.npy"));
  const FloatArray* positions = canal::find(checkpoint.weights, "pos_emb.emb.weight");
  ASSERT_NE(positions, nullptr);
  EXPECT_EQ(positions->shape, (std::vector<int64_t>{table.shape[0] + 1, table.shape[1]}));
}

TEST(GoldenCheckpoint, ShapesFitTheirValuesAndTheCounterIsLeftOut) {
  for (const char* name : {"pretrained.pth", "canal_stage1.pth", "canal_stage2_start.pth"}) {
    const Checkpoint checkpoint = canal::read_checkpoint(golden(name));
    for (const auto& [weight, array] : checkpoint.weights) {
      EXPECT_EQ(canal::element_count(array.shape), static_cast<int64_t>(array.values.size()));
      for (const float value : array.values) ASSERT_TRUE(std::isfinite(value)) << weight;
    }
    EXPECT_EQ(canal::find(checkpoint.weights, "performer.calls_since_last_redraw"), nullptr);
    EXPECT_NE(canal::find(checkpoint.weights, "norm.weight"), nullptr);
  }
}

TEST(GoldenCheckpoint, CanalBringsTypesAndGenes) {
  const Checkpoint first = canal::read_checkpoint(golden("canal_stage1.pth"));
  const Checkpoint second = canal::read_checkpoint(golden("canal_stage2_start.pth"));
  const canal::Tree chosen = canal::read_tree(golden("reference.h5"), "hvg_index0");
  EXPECT_EQ(first.variable_genes0, std::vector<int64_t>(chosen.int32.begin(), chosen.int32.end()));
  EXPECT_EQ(second.variable_genes0, first.variable_genes0);
  for (const Checkpoint* stage : {&first, &second}) {
    const FloatArray* fc3 = canal::find(stage->weights, "to_out.fc3.weight");
    ASSERT_NE(fc3, nullptr);
    EXPECT_EQ(fc3->shape[0], static_cast<int64_t>(stage->annotation.size()));
    for (const std::string& type : stage->annotation) EXPECT_FALSE(type.empty());
  }
  ASSERT_LE(first.annotation.size(), second.annotation.size());
  EXPECT_TRUE(
      std::equal(first.annotation.begin(), first.annotation.end(), second.annotation.begin()));
  EXPECT_EQ(first.skipped, std::vector<std::string>{"example_bank (dict)"});
}

TEST(GoldenCheckpoint, WhatIsSkippedIsTold) {
  const Checkpoint checkpoint = canal::read_checkpoint(golden("pretrained.pth"));
  EXPECT_EQ(checkpoint.skipped,
            (std::vector<std::string>{"epoch (int)", "optimizer_state_dict (dict)",
                                      "scheduler_state_dict (dict)", "losses (float)"}));
  EXPECT_TRUE(checkpoint.annotation.empty());
}

TEST(Tensor, ViewsAreGatheredByStrideAndOffset) {
  EXPECT_EQ(only_weight({}, bytes_of(six)).values, six);
  const TensorText transposed{"0", "FloatStorage", 6, 0, {3, 2}, {1, 3}};
  EXPECT_EQ(only_weight(transposed, bytes_of(six)).values, (std::vector<float>{1, 4, 2, 5, 3, 6}));
  const TensorText column{"0", "FloatStorage", 6, 1, {2}, {3}};
  EXPECT_EQ(only_weight(column, bytes_of(six)).values, (std::vector<float>{2, 5}));
  const TensorText scalar{"0", "FloatStorage", 6, 5, {}, {}};
  EXPECT_EQ(only_weight(scalar, bytes_of(six)).values, (std::vector<float>{6}));
  const TensorText empty{"0", "FloatStorage", 0, 0, {3, 0}, {1, 1}};
  EXPECT_EQ(only_weight(empty, "").shape, (std::vector<int64_t>{3, 0}));
}

TEST(Tensor, EveryFloatFormatBecomesFloat32) {
  const TensorText half{"0", "HalfStorage", 5, 0, {5}, {1}};
  const std::vector<uint16_t> halves{0x3c00, 0xc100, 0x0001, 0x7bff, 0x8000};
  const std::vector<float> expected{1.0f, -2.5f, std::ldexp(1.0f, -24), 65504.0f, -0.0f};
  EXPECT_EQ(only_weight(half, bytes_of(halves)).values, expected);
  const TensorText brain{"0", "BFloat16Storage", 3, 0, {3}, {1}};
  const std::vector<uint16_t> brains{0x3f80, 0xc020, 0x4049};
  EXPECT_EQ(only_weight(brain, bytes_of(brains)).values, (std::vector<float>{1, -2.5, 3.140625}));
  const TensorText wide{"0", "DoubleStorage", 2, 0, {2}, {1}};
  EXPECT_EQ(only_weight(wide, bytes_of(std::vector<double>{0.1, -1e30})).values,
            (std::vector<float>{0.1f, -1e30f}));
}

TEST(Tensor, IntegersAreNoWeights) {
  const TensorText steps{"1", "LongStorage", 1, 0, {}, {}};
  const std::string value = dict({text("w"), tensor({}), text("steps"), tensor(steps),
                                  text("performer.calls_since_last_redraw"), tensor(steps)});
  const Checkpoint checkpoint =
      read_value(value, {bytes_of(six), bytes_of(std::vector<int64_t>{7})});
  EXPECT_EQ(checkpoint.weights.size(), 1u);
  EXPECT_EQ(checkpoint.skipped, std::vector<std::string>{"steps (integer tensor)"});
}

TEST(Tensor, ParametersAndSharedStoragesAreRead) {
  const std::string parameter =
      call(global("torch._utils", "_rebuild_parameter"), {tensor({}), "\x88", none});
  const std::string value = dict({text("module.a"), parameter, text("module.b"),
                                  tensor({"0", "FloatStorage", 6, 3, {3}, {1}})});
  const Checkpoint checkpoint = read_value(value, {bytes_of(six)});
  ASSERT_EQ(checkpoint.weights.size(), 2u);
  EXPECT_EQ(checkpoint.weights[0].first, "a");
  EXPECT_EQ(checkpoint.weights[0].second.values, six);
  EXPECT_EQ(checkpoint.weights[1].second.values, (std::vector<float>{4, 5, 6}));
}

TEST(Checkpoint, StateDictMayLieUnderEitherNameOrOnTop) {
  const std::string weights = dict({text("w"), tensor({})});
  for (const std::string& value :
       {weights, dict({text("state_dict"), weights}), dict({text("model_state_dict"), weights})}) {
    const Checkpoint checkpoint = read_value(value, {bytes_of(six)});
    ASSERT_EQ(checkpoint.weights.size(), 1u);
    EXPECT_EQ(checkpoint.weights[0].first, "w");
  }
}

TEST(Checkpoint, AnOrderedDictKeepsItsOrderAndItsMetadataIsNoWeight) {
  const std::string metadata = dict({text("_metadata"), dict({})}) + "b";
  const std::string ordered = call(global("collections", "OrderedDict"), {}) + "(" + text("z") +
                              tensor({}) + text("a") + tensor({}) + "u" + metadata;
  const Checkpoint checkpoint = read_value(dict({text("state_dict"), ordered}), {bytes_of(six)});
  ASSERT_EQ(checkpoint.weights.size(), 2u);
  EXPECT_EQ(checkpoint.weights[0].first, "z");
  EXPECT_TRUE(checkpoint.skipped.empty());
}

// numpy.ndarray with the state (1, shape, type, False, data).
std::string numpy_array(const std::string& type, int64_t count, const std::string& data) {
  const std::string order = type == "O8" ? "|" : "<";
  const std::string data_type =
      call(global("numpy", "dtype"), {text(type), "\x89", "\x88"}) +
      tuple({integer(3), text(order), none, none, none, integer(-1), integer(-1), integer(0)}) +
      "b";
  return call(global("numpy.core.multiarray", "_reconstruct"),
              {global("numpy", "ndarray"), integers({0}), bytes3("b")}) +
         tuple({integer(1), integers({count}), data_type, "\x89", data}) + "b";
}

Checkpoint with_entry(const std::string& name, const std::string& value) {
  return read_value(dict({text("state_dict"), dict({text("w"), tensor({})}), text(name), value}),
                    {bytes_of(six)});
}

TEST(Checkpoint, TypeNamesComeInAllTheirForms) {
  const std::vector<std::string> expected{"a", "\xc3\xa9t"};
  const std::vector<uint32_t> characters{'a', 0, 0xe9, 't'};
  const std::string names = list({text("a"), text("\xc3\xa9t")});
  for (const std::string& form :
       {names, numpy_array("O8", 2, names), numpy_array("U2", 2, bytes3(bytes_of(characters)))}) {
    EXPECT_EQ(with_entry("annotation", form).annotation, expected);
  }
}

TEST(Checkpoint, GenePlacesComeInAllTheirForms) {
  const std::vector<int64_t> expected{0, 200, 7};
  const std::string latin1 = call(global("_codecs", "encode"),
                                  {text(std::string("\0\0\xc3\x88\0\x07\0\0", 8)), text("latin1")});
  const std::vector<std::string> forms{
      integers({0, 200, 7}), numpy_array("i8", 3, bytes3(bytes_of(expected))),
      numpy_array("i4", 3, bytes3(bytes_of(std::vector<int32_t>{0, 200, 7}))),
      numpy_array("u1", 3,
                  call(global("_codecs", "encode"),
                       {text(std::string("\0\xc3\x88\x07", 4)), text("latin1")}))};
  for (const std::string& form : forms) {
    EXPECT_EQ(with_entry("highly_variable_idx", form).variable_genes0, expected);
  }
  expect_error(ErrorKind::file, "do not fit its shape",
               [&] { with_entry("highly_variable_idx", numpy_array("i8", 3, latin1)); });
}

TEST(Checkpoint, FormsItDoesNotKnowAreSkippedByName) {
  const Checkpoint numbers = with_entry("annotation", integers({1, 2}));
  EXPECT_TRUE(numbers.annotation.empty());
  EXPECT_EQ(numbers.skipped, std::vector<std::string>{"annotation (tuple)"});
}

TEST(Checkpoint, AFileWithoutWeightsSaysWhatItHolds) {
  expect_error(ErrorKind::file, "it holds epoch (int)", [] {
    read_value(dict({text("epoch"), integer(3)}), {});
  });
  expect_error(ErrorKind::file, "a dict of weights is expected",
               [] { read_value(call(global("my.models", "Net"), {}), {}); });
  expect_error(ErrorKind::file, "no file of torch.save", [] { read_made("hello, world"); });
  expect_error(ErrorKind::file, "is empty", [] { read_made(""); });
  expect_error(ErrorKind::file, "no such file", [] { canal::read_checkpoint("nowhere.pth"); });
}

TEST(Checkpoint, TwoWeightsOfOneNameAreRefused) {
  expect_error(ErrorKind::file, "two weights called 'w'", [] {
    read_value(dict({text("w"), tensor({}), text("module.w"), tensor({})}), {bytes_of(six)});
  });
}

}  // namespace
