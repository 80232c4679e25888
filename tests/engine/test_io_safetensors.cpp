// The `.safetensors` format: by hand, good files and others.
#include <cmath>
#include <cstring>

#include "engine/checkpoint.h"
#include "engine/io/json.h"
#include "io_support.h"

namespace {

using namespace io_test;
using canal::Checkpoint;
using canal::ErrorKind;
using canal::io::Json;

const std::vector<float> six{1, 2, 3, 4, 5, 6};

std::string safetensors(const std::string& header, const std::string& data) {
  return little(header.size(), 8) + header + data;
}

std::string tensor(const std::string& name, const std::string& type, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + type + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

const std::string good_tensor = tensor("w", "F32", "[2,3]", "[0,24]");
const std::string good_file = safetensors(
    "{\"__metadata__\":{\"labels\":\"[\\\"a\\\",\\\"b\\\"]\"}," + good_tensor + "}", bytes_of(six));

Checkpoint read_made(const std::string& bytes) {
  const TempFolder folder;
  return canal::read_checkpoint(folder.write("made.bin", bytes));
}

std::vector<float> values_of(const std::string& type, const std::string& shape,
                             const std::string& data) {
  const std::string offsets = "[0," + std::to_string(data.size()) + "]";
  const Checkpoint checkpoint =
      read_made(safetensors("{" + tensor("w", type, shape, offsets) + "}", data));
  return checkpoint.weights.at(0).second.values;
}

void expect_refused(const std::string& fragment, const std::string& bytes) {
  expect_error(ErrorKind::file, fragment, [&] { read_made(bytes); });
}

TEST(Safetensors, EveryFloatFormatBecomesFloat32) {
  EXPECT_EQ(values_of("F32", "[2,3]", bytes_of(six)), six);
  EXPECT_EQ(values_of("F16", "[2]", bytes_of(std::vector<uint16_t>{0x3c00, 0xc100})),
            (std::vector<float>{1, -2.5}));
  EXPECT_EQ(values_of("BF16", "[2]", bytes_of(std::vector<uint16_t>{0x3f80, 0xc020})),
            (std::vector<float>{1, -2.5}));
  EXPECT_EQ(values_of("F64", "[]", bytes_of(std::vector<double>{0.1})), std::vector<float>{0.1f});
}

TEST(Safetensors, TensorsLieInAnyOrderAndMayBeEmpty) {
  const std::string header = "{" + tensor("module.b", "F32", "[2]", "[16,24]") + " , " +
                             tensor("none", "F32", "[0,7]", "[16,16]") + ",\n" +
                             tensor("a", "F32", "[2]", "[8,16]") + "," +
                             tensor("steps", "I64", "[]", "[0,8]") + "}  ";
  const Checkpoint checkpoint = read_made(safetensors(header, bytes_of(six)));
  ASSERT_EQ(checkpoint.weights.size(), 3u);
  EXPECT_EQ(checkpoint.weights[0].first, "b");
  EXPECT_EQ(checkpoint.weights[0].second.values, (std::vector<float>{5, 6}));
  EXPECT_EQ(checkpoint.weights[1].second.shape, (std::vector<int64_t>{0, 7}));
  EXPECT_EQ(checkpoint.weights[2].second.values, (std::vector<float>{3, 4}));
  EXPECT_EQ(checkpoint.skipped, std::vector<std::string>{"steps (I64 tensor)"});
}

TEST(Safetensors, MetadataOfOtherProgramsIsNoMistake) {
  const auto with = [](const std::string& metadata) {
    return read_made(
        safetensors("{\"__metadata__\":" + metadata + "," + good_tensor + "}", bytes_of(six)));
  };
  const Checkpoint own = with(
      "{\"genes\":\"[\\\"\\\\u03b2\\\"]\",\"config\":\"{\\\"dim\\\":0.1,\\\"preset\\\":\\\"x\\\"}"
      "\"}");
  EXPECT_EQ(own.genes, std::vector<std::string>{"\xce\xb2"});
  EXPECT_EQ(own.preset, "x");
  ASSERT_EQ(own.settings.size(), 1u);
  EXPECT_EQ(own.settings[0], (std::pair<std::string, double>{"dim", 0.1}));
  EXPECT_EQ(with("{\"labels\":\"a, b\",\"author\":\"me\"}").skipped,
            (std::vector<std::string>{"labels (metadata)", "author (metadata)"}));
  expect_error(ErrorKind::file, "is no text", [&] { with("{\"labels\":[\"a\"]}"); });
  expect_error(ErrorKind::file, "is no object", [&] { with("\"labels\""); });
  expect_error(ErrorKind::file, "zero byte", [&] { with("{\"positions\":\"a\\u0000b\"}"); });
}

TEST(Safetensors, TruncationAtEveryByteIsAnError) {
  EXPECT_EQ(read_made(good_file).annotation, (std::vector<std::string>{"a", "b"}));
  for (size_t size = 0; size < good_file.size(); ++size) {
    expect_refused("", good_file.substr(0, size));
  }
  expect_refused("and it holds 25", good_file + "x");
}

TEST(Safetensors, AnyChangedByteIsReadOrRefused) {
  size_t refused = 0;
  for (size_t at = 0; at < good_file.size(); ++at) {
    for (const unsigned char flip : {0x01, 0x20, 0xff}) {
      std::string changed = good_file;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      try {
        read_made(changed);
      } catch (const canal::Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::file) << error.what();
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, good_file.size());
}

TEST(Safetensors, TheHeadersSizeIsBelievedOnlyWithinTheFile) {
  for (const uint64_t size : {uint64_t{100000001}, uint64_t{1} << 62, UINT64_MAX}) {
    expect_refused("over the format's limit", little(size, 8) + "{}");
  }
  expect_refused("needs 1000 bytes", little(1000, 8) + "{}");
}

TEST(Safetensors, OffsetsStayInsideTheFileAndApart) {
  const auto refuse = [](const std::string& fragment, const std::string& tensors) {
    expect_refused(fragment, safetensors("{" + tensors + "}", bytes_of(six)));
  };
  const auto at = [](const std::string& offsets) { return tensor("w", "F32", "[6]", offsets); };
  refuse("lies outside the file's 24 bytes", at("[0,28]"));
  refuse("lies outside", at("[24,0]"));
  refuse("lies outside", at("[9223372036854775784,9223372036854775807]"));
  refuse("has no whole numbers as its data_offsets", at("[0,18446744073709551615]"));
  refuse("has no whole numbers", at("[-24,0]"));
  refuse("has no whole numbers", at("[0,24.0]"));
  refuse("has no whole numbers", at("[\"0\",24]"));
  refuse("has not two data_offsets", at("[0]"));
  refuse("has no data_offsets", "\"w\":{\"dtype\":\"F32\",\"shape\":[6]}");
  refuse("overlaps another",
         tensor("a", "F32", "[4]", "[0,16]") + "," + tensor("b", "F32", "[3]", "[12,24]"));
  refuse("overlaps another",
         tensor("a", "F32", "[6]", "[0,24]") + "," + tensor("b", "F32", "[6]", "[0,24]"));
  refuse("leaves a gap",
         tensor("a", "F32", "[2]", "[0,8]") + "," + tensor("b", "F32", "[2]", "[16,24]"));
  refuse("end at byte 16", tensor("a", "F32", "[4]", "[0,16]"));
}

TEST(Safetensors, ShapesFitTheirBytes) {
  const auto refuse = [](const std::string& fragment, const std::string& type,
                         const std::string& shape) {
    expect_refused(fragment,
                   safetensors("{" + tensor("w", type, shape, "[0,24]") + "}", bytes_of(six)));
  };
  refuse("do not fit its 24 bytes", "F32", "[5]");
  refuse("do not fit its 24 bytes", "F16", "[6]");
  refuse("do not fit its 24 bytes", "F32", "[0,6]");
  refuse("larger than the file", "F64", "[6]");
  refuse("larger than the file", "F32", "[4294967296,4294967296,4]");  // the product overflows
  refuse("larger than the file", "F32", "[4611686018427387905,4]");
  refuse("has no whole numbers as its shape", "F32", "[-2,-3]");
  refuse("has no whole numbers as its shape", "F32", "[null]");
  refuse("unknown type 'F31'", "F31", "[6]");
}

TEST(Safetensors, DamagedJsonIsRefused) {
  for (const char* header :
       {"{", "{}x", "{\"w\"}", "{\"w\":}", "{\"w\":1,}", "{\"w\":01}", "{\"w\":1.}", "{\"w\":1e}",
        "{\"w\":-}", "{\"w\":tru}", "{\"w\":\"\\x\"}", "{\"w\":\"\\ud800\"}", "{\"w\":\"\\udc00\"}",
        "{\"w\":\"\\u12\"}", "{\"w\":\"\n\"}", "{\"w\":\"", "{\"w\":[1,2}", "{w:1}",
        "{\"w\":1 \"v\":2}"}) {
    expect_refused("JSON that is damaged", safetensors(header, ""));
  }
  expect_refused("two members are called 'w'",
                 safetensors("{" + good_tensor + "," + good_tensor + "}", bytes_of(six)));
  expect_refused("two weights called 'w'",
                 safetensors("{" + tensor("w", "F32", "[3]", "[0,12]") + "," +
                                 tensor("module.w", "F32", "[3]", "[12,24]") + "}",
                             bytes_of(six)));
  expect_refused("is not described by an object", safetensors("{\"w\":3}", ""));
  expect_refused("has no type", safetensors("{\"w\":{}}", ""));
  expect_refused("holds no weights", safetensors("{}", ""));
}

TEST(Safetensors, DeepAndCrowdedHeadersAreRefused) {
  const std::string deep(1000000, '[');
  expect_refused("nested more than 16 deep", safetensors("{\"w\":" + deep, ""));
  std::string crowded = "{\"w\":[0";
  for (int i = 0; i < (1 << 20); ++i) crowded += ",0";
  expect_refused("it holds more than 1048576", safetensors(crowded + "]}", ""));
}

TEST(Json, TextsAndNumbersComeBackAsTheyWere) {
  const std::vector<std::string> texts{"", "plain", "\"quoted\" \\ back", "line\n\ttab\x01",
                                       "\xce\xb2 \xf0\x9f\xa7\xac"};
  EXPECT_EQ(json_texts(canal::io::parse_json(canal::io::json_array(texts))), texts);
  EXPECT_EQ(canal::io::parse_json("\"\\ud83e\\uddec \\/\\b\\f\\r\\u00E9\"").text,
            "\xf0\x9f\xa7\xac /\b\f\r\xc3\xa9");
  for (const double value : std::vector<double>{0, 1.0 / 3, -2e-308, INFINITY, -INFINITY}) {
    EXPECT_EQ(json_number(canal::io::parse_json(canal::io::json_real(value))), value);
  }
  EXPECT_FALSE(json_count(canal::io::parse_json("9223372036854775808")));
  EXPECT_EQ(json_count(canal::io::parse_json(" 9223372036854775807 ")), INT64_MAX);
  EXPECT_EQ(canal::io::parse_json("[true,null,{}]").items[1].kind, Json::Kind::null);
}

}  // namespace
