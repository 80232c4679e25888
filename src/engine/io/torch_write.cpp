// Writing `.pth` files.
#include "engine/checkpoint.h"
#include "engine/io/checkpoint_names.h"
#include "engine/io/file_replace.h"
#include "engine/io/format_error.h"
#include "engine/io/little_endian.h"
#include "engine/io/pickle_writer.h"
#include "engine/io/settings_text.h"
#include "engine/io/zip_writer.h"

namespace canal {

namespace {

using namespace io;

// Every tensor has a storage of its own, numbered in the order of the pickle.
class TorchWriter {
 public:
  TorchWriter(const std::string& path, const Checkpoint& checkpoint)
      : zip_(path), checkpoint_(checkpoint) {}

  void write() {
    zip_.add(folder + "data.pkl", describe());
    zip_.add(folder + "byteorder", "little");
    for (size_t i = 0; i < checkpoint_.weights.size(); ++i) {
      zip_.add(storage(i), float32_bytes(checkpoint_.weights[i].second.values));
    }
    zip_.add(storage(counter()), little_endian(0, 8));
    if (has_types()) zip_.add(storage(places()), place_bytes());
    zip_.add(folder + "version", "3\n");
    zip_.finish();
  }

 private:
  inline static const std::string folder = "archive/";
  static std::string storage(size_t i) { return folder + "data/" + std::to_string(i); }

  size_t counter() const { return checkpoint_.weights.size(); }
  size_t places() const { return counter() + 1; }
  bool has_types() const { return !checkpoint_.annotation.empty(); }

  std::string describe() {
    out_.begin_dict();
    out_.text("model_state_dict");
    describe_weights();
    out_.text("epoch");
    out_.integer(checkpoint_.epoch);
    if (has_types()) {
      describe_texts("annotation", checkpoint_.annotation);
      out_.text("highly_variable_idx");
      const auto count = static_cast<int64_t>(checkpoint_.variable_genes0.size());
      out_.tensor("LongStorage", std::to_string(places()), {count});
    }
    describe_texts("genes", checkpoint_.genes);
    describe_texts("vocabulary", checkpoint_.vocabulary);
    out_.text("positions");
    out_.text(checkpoint_.positions);
    out_.text("config");
    out_.text(settings_text(checkpoint_));
    out_.end_dict();
    return out_.finish();
  }

  // The counter comes where a Performer has it, before its layers.
  void describe_weights() {
    out_.begin_ordered_dict();
    bool counted = false;
    for (size_t i = 0; i < checkpoint_.weights.size(); ++i) {
      const auto& [name, array] = checkpoint_.weights[i];
      if (!counted && name.compare(0, 10, "performer.") == 0) counted = describe_counter();
      out_.text(name);
      out_.tensor("FloatStorage", std::to_string(i), array.shape);
    }
    if (!counted) describe_counter();
    out_.end_ordered_dict();
  }

  bool describe_counter() {
    out_.text(redraw_counter);
    out_.tensor("LongStorage", std::to_string(counter()), {});
    return true;
  }

  void describe_texts(const char* name, const std::vector<std::string>& texts) {
    out_.text(name);
    out_.texts(texts);
  }

  std::string place_bytes() const {
    std::string bytes;
    for (const int64_t place : checkpoint_.variable_genes0) {
      bytes += little_endian(static_cast<uint64_t>(place), 8);
    }
    return bytes;
  }

  ZipWriter zip_;
  PickleWriter out_;
  const Checkpoint& checkpoint_;
};

}  // namespace

void write_torch_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  FileReplacement file(path);
  with_path(path, [&] { TorchWriter(file.temporary(), checkpoint).write(); });
  file.commit();
}

}  // namespace canal
