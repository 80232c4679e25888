// Writes sound files for every target: make_seeds FOLDER FIXTURES, where FIXTURES are those of the
// R tests. Fixtures that are compressed have been unpacked into FOLDER/<target> before.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "engine/checkpoint.h"
#include "engine/io/checksum_block.h"
#include "engine/io/pickle_table.h"
#include "engine/io/zip_file.h"
#include "pickle_builder.h"
#include "sound_files.h"
#include "targets.h"

namespace {

using namespace io_test;
namespace fs = std::filesystem;

class Seeds {
 public:
  explicit Seeds(const fs::path& folder) : folder_(folder) {}

  void add(const std::string& target, const std::string& name, const std::string& bytes) const {
    fs::create_directories(folder_ / target);
    std::ofstream(folder_ / target / name, std::ios::binary) << bytes;
  }

  fs::path path(const std::string& target, const std::string& name) const {
    fs::create_directories(folder_ / target);
    return folder_ / target / name;
  }

 private:
  fs::path folder_;
};

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

canal::Checkpoint small_checkpoint() {
  canal::Checkpoint checkpoint;
  checkpoint.weights = {{"token_emb.weight", {{2, 3}, {1, 2, 3, 4, 5, 6}}},
                        {"norm.bias", {{1}, {7}}}};
  checkpoint.annotation = {"alpha", "beta"};
  checkpoint.genes = {"INS", "GCG"};
  checkpoint.vocabulary = {"INS", "GCG", "SST"};
  checkpoint.variable_genes0 = {0, 1};
  checkpoint.settings = {{"dim", 3}, {"rate", 1e-4}};
  checkpoint.preset = "compact";
  checkpoint.positions = "fixed";
  return checkpoint;
}

std::string npy(const std::string& type, const std::string& order, const std::string& shape,
                size_t bytes) {
  const std::string header =
      "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': (" + shape + "), }\n";
  return "\x93NUMPY" + std::string("\x01\x00", 2) + little(header.size(), 2) + header +
         std::string(bytes, '\x3f');
}

void add_tables(const Seeds& seeds) {
  seeds.add("npy", "f4", npy("<f4", "False", "2, 3", 24));
  seeds.add("npy", "f8", npy(">f8", "True", "2, 3", 48));
  seeds.add("npy", "i1", npy("|i1", "False", "4, 1", 4));
  seeds.add("word2vec", "header", "2 3\nINS 1 2 3\nGCG 0.5 -1e-3 4\n");
  seeds.add("word2vec", "plain", "INS 1 2 3\nGCG 0.5 -1e-3 4");
  seeds.add("json", "settings", "{\"preset\":\"compact\",\"dim\":3,\"rate\":1e-4}");
  seeds.add("json", "texts", "[\"a\",\"b\\u00e9\\n\",\"\\ud83d\\ude00\"]");
  seeds.add("json", "values", "{\"a\":[1,-2.5e3,true,false,null,{}],\"b\":{\"c\":\"\"}}");
  seeds.add("zip", "stored",
            zip_of({{"a/data.pkl", "N."}, {"a/byteorder", "little"}, {"a/data/0", "1234"}}));
  seeds.add("lzf", "runs",
            std::string("\x02"
                        "abc\x20\x02\xe0\x05\x02",
                        9));
}

// Values of every kind that a checkpoint has, in pickles of every protocol.
void add_pickles(const Seeds& seeds) {
  const std::string weights = dict({text("w"), tensor({})});
  const std::string array = call(global("numpy.core.multiarray", "_reconstruct"),
                                 {global("numpy", "ndarray"), integers({0}), bytes3("b")}) +
                            tuple({integer(1), integers({2}),
                                   call(global("numpy", "dtype"), {text("i8"), "\x89", "\x88"}) +
                                       tuple({integer(3), text("<"), none, none, none}) + "b",
                                   "\x89", bytes3(std::string(16, '\1'))}) +
                            "b";
  const std::string all = dict({text("model_state_dict"), weights, text("annotation"),
                                list({text("alpha"), text("beta")}), text("highly_variable_idx"),
                                array, text("config"), text("{\"preset\":\"compact\"}")});
  for (const char* target : {"pickle", "anndata", "payload"}) {
    seeds.add(target, "values", start_pickle + all + ".");
    seeds.add(target, "array", start_pickle + array + ".");
    seeds.add(target, "lines",
              "(I-12\nI01\nL123456789012L\nF-2.5\nS'a\\x41\\n'\nVb\\u00e9\ntp0\n.");
  }
  seeds.add("checkpoint", "zip", torch_zip(all, {std::string(24, '\x3f')}));
  seeds.add("checkpoint", "legacy", torch_legacy(weights, {{1, 2, 3, 4, 5, 6}}));
}

// The pickles in the recorded checkpoints of CANAL, each with an AnnData of another layout.
void add_banks(const Seeds& seeds, const fs::path& fixtures) {
  for (const auto& file : fs::directory_iterator(fixtures)) {
    if (file.path().extension() != ".pth") continue;
    const std::string name = file.path().stem().string();
    const std::string bytes = content(file.path());
    seeds.add("checkpoint", name, bytes);
    canal::io::ZipFile zip(bytes);
    const std::string pickle(zip.read(zip.name_ending("/data.pkl")));
    for (const char* target : {"pickle", "anndata", "payload"}) seeds.add(target, name, pickle);
  }
}

void add_hdf5(const Seeds& seeds) {
  const std::vector<std::string>& files = canal_fuzz::sound_files();
  for (size_t i = 0; i < files.size(); ++i) {
    const char* target = i < 2 ? "h5ad" : i < 4 ? "tenx" : "tree";
    seeds.add(target, "sound-" + std::to_string(i), files[i]);
    seeds.add("tree", "sound-" + std::to_string(i), files[i]);
    seeds.add("made_cells", "sound-" + std::to_string(i), std::string(1, static_cast<char>(i)));
    seeds.add("made_tree", "sound-" + std::to_string(i), std::string(1, static_cast<char>(i)));
  }
  // As canalR writes it: most changes are refused by its checksum, and the line that holds that is
  // read first.
  seeds.add("tree", "whole", canal::io::checksum_block(files.back()) + files.back());
}

// Words that the fuzzer puts into inputs, in libFuzzer's form.
void add_dictionary(const Seeds& seeds, const std::vector<std::string>& targets,
                    const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += '"';
    for (const char c : word) {
      char code[8];
      std::snprintf(code, sizeof(code), "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
      text += code;
    }
    text += "\"\n";
  }
  for (const std::string& target : targets) seeds.add("dictionaries", target, text);
}

std::vector<std::string> pickle_words() {
  std::vector<std::string> words;
  for (const canal::io::PickleOpcode& opcode : canal::io::pickle_opcodes()) {
    words.emplace_back(1, static_cast<char>(opcode.code));
  }
  for (const canal::io::PickleGlobal& global : canal::io::pickle_globals()) {
    const std::string name = global.name;
    const size_t end = name.rfind('.');
    words.push_back(io_test::global(name.substr(0, end), name.substr(end + 1)));
  }
  for (const char* name : {"model_state_dict",
                           "annotation",
                           "highly_variable_idx",
                           "example_bank",
                           "config",
                           "storage",
                           "latin1",
                           "_X",
                           "_obs",
                           "_var",
                           "_is_view",
                           "_adata_ref",
                           "_oidx",
                           "_vidx",
                           "_mgr",
                           "_data",
                           "indptr",
                           "indices",
                           "data",
                           "_shape",
                           "axes",
                           "blocks",
                           "values",
                           "mgr_locs",
                           "0.14.1",
                           "categories",
                           "_dtype",
                           "_codes",
                           "start",
                           "stop",
                           "step"}) {
    words.push_back(text(name));
  }
  return words;
}

// As written, and with the checksum under a name that nobody looks at: or every change would be
// noticed before anything is read.
void add_safetensors(const Seeds& seeds, const canal::Checkpoint& checkpoint) {
  const std::string written = seeds.path("safetensors", "written").string();
  canal::write_safetensors(written, checkpoint);
  std::string bytes = content(written);
  bytes.replace(bytes.find("\"checksum\""), 10, "\"chocksum\"");
  seeds.add("safetensors", "unchecked", bytes);
}

void add_dictionaries(const Seeds& seeds) {
  add_dictionary(seeds, {"pickle", "anndata", "payload", "checkpoint"}, pickle_words());
  add_dictionary(seeds, {"h5ad", "tenx", "tree"}, {"OHDR",           "TREE",
                                                   "SNOD",           "HEAP",
                                                   "GCOL",           "FRHP",
                                                   "BTHD",           "OCHK",
                                                   "_index",         "column-order",
                                                   "encoding-type",  "csr_matrix",
                                                   "csc_matrix",     "categories",
                                                   "codes",          "shape",
                                                   "indptr",         "indices",
                                                   "data",           "barcodes",
                                                   "features",       "canalR checksum 1: ",
                                                   " bytes, FNV-1a "});
  add_dictionary(seeds, {"json", "safetensors"},
                 {"{", "}", "[", "]", "null", "true", "\\ud83d", "\"dtype\":\"F32\"", "\"BF16\"",
                  "\"shape\":[", "\"data_offsets\":[", "\"__metadata__\":{",
                  "\"labels\":", "\"config\":", "1e999"});
  add_dictionary(seeds, {"npy"},
                 {"'descr': '", "'fortran_order': True", "'shape': (", "<f8", ">i2"});
  add_dictionary(seeds, {"word2vec"}, {"1e999", "nan", "0x1p3", "-", "\xef\xbb\xbf", "\r\n"});
  add_dictionary(seeds, {"zip"},
                 {"PK\x01\x02", "PK\x03\x04", "PK\x05\x06", "PK\x06\x06", "PK\x06\x07", "/data.pkl",
                  "\xff\xff\xff\xff"});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: make_seeds FOLDER FIXTURES\n";
    return 2;
  }
  const Seeds seeds{argv[1]};
  add_tables(seeds);
  add_pickles(seeds);
  add_banks(seeds, argv[2]);
  add_hdf5(seeds);
  add_dictionaries(seeds);
  const canal::Checkpoint checkpoint = small_checkpoint();
  add_safetensors(seeds, checkpoint);
  canal::write_torch_checkpoint(seeds.path("checkpoint", "written").string(), checkpoint);
  for (const canal_fuzz::Target& target : canal_fuzz::targets()) std::cout << target.name << '\n';
}
