// A limit on what a file may ask to be copied out of it. Values of a pickle can be referred to any
// number of times, so that a small file could fill the memory.
#pragma once
#include <cstdint>

#include "engine/io/format_error.h"

namespace canal::io {

class Budget {
 public:
  explicit Budget(int64_t numbers) : left_(numbers) {}

  void spend(int64_t numbers, const char* what) {
    if (numbers > left_) {
      throw FormatError(std::string("is damaged: ") + what +
                        " add up to far more than the file can hold");
    }
    left_ -= numbers;
  }

 private:
  int64_t left_;
};

}  // namespace canal::io
