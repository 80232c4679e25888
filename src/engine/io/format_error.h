// How readers of one format report trouble: without the path, which the outermost call adds.
#pragma once
#include <stdexcept>
#include <string>
#include <utility>

#include "engine/errors.h"

namespace canal::io {

// A reason that completes the sentence "'<path>' ...": "is truncated", "holds ...".
class FormatError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn]] inline void fail_file(const std::string& path, const std::string& reason) {
  throw Error(ErrorKind::file, "'" + path + "' " + reason + ".");
}

// Runs `work` and puts the path before whatever it complains about.
template <class Work>
auto with_path(const std::string& path, Work&& work) -> decltype(work()) {
  try {
    return std::forward<Work>(work)();
  } catch (const FormatError& error) {
    fail_file(path, error.what());
  }
}

}  // namespace canal::io
