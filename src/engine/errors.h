// How the engine fails: one exception type with a kind, which glue turns into a classed R
// condition.
#pragma once
#include <exception>
#include <stdexcept>
#include <string>

namespace canal {

enum class ErrorKind {
  input,    // a value the caller gave is out of range
  sizes,    // arrays, weights or a checkpoint do not fit together
  file,     // a file is missing, truncated, foreign or cannot be written
  version,  // a file was written by a newer canalR
  memory,   // there was not enough of it, or of threads
  team,     // another worker was lost, or never came
  internal  // anything else, LibTorch's own errors included
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// Thrown out of long work when Control::cancel was set.
class Cancelled : public std::exception {
 public:
  const char* what() const noexcept override { return "cancelled"; }
};

struct ErrorReport {
  ErrorKind kind;
  std::string message;
  bool cancelled;
};

// Describes the exception being handled (call inside `catch (...)`). The one place that knows
// c10::Error, whose 60-frame backtrace is no use to anyone outside LibTorch.
ErrorReport describe_current_exception();

}  // namespace canal
