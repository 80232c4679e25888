// Writing pickles of plain values and tensors, in protocol 2 and only with opcodes that PyTorch's
// restricted loader (weights_only) takes too.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canal::io {

// Values follow one another as in the pickle: a dict is begin_dict(), keys and values in turn,
// end_dict().
class PickleWriter {
 public:
  PickleWriter() : out_("\x80\x02") {}

  void begin_dict() { out_ += "}("; }
  void end_dict() { out_ += "u"; }
  void begin_ordered_dict();  // collections.OrderedDict
  void end_ordered_dict() { out_ += "u"; }

  void text(std::string_view value);
  void integer(int64_t value);
  void texts(const std::vector<std::string>& values);  // a list

  // A contiguous tensor on all of the storage `key`; type: "FloatStorage" or "LongStorage".
  void tensor(const char* type, const std::string& key, const std::vector<int64_t>& shape);

  std::string finish() { return out_ + "."; }

 private:
  void integers(const std::vector<int64_t>& values);  // a tuple
  void global(const char* module, const char* name);

  std::string out_;
};

}  // namespace canal::io
