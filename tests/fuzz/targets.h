// What is fuzzed: one target per reader of files, some past the gates (checksums, containers) that
// stop most changed files early. The fuzzer's programs and the tests that replay what was found run
// the same functions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canal_fuzz {

struct Target {
  const char* name;
  // Reads the bytes. Errors that a user would see are fine, anything else is not.
  void (*run)(std::string_view bytes);
  // The most memory it may have at once: a constant and so many bytes per byte of the input.
  size_t constant;
  size_t per_byte;
  // Whether inputs end the program that are not canalR's to mend: then it runs in one of its own.
  bool apart = false;
  // What makes of an input the bytes that are read, with whatever memory it takes; NULL: they are
  // it.
  std::string (*make)(std::string_view input) = nullptr;
};

const std::vector<Target>& targets();

// Throws std::out_of_range where there is none.
const Target& target(const std::string& name);

constexpr size_t mebibyte = size_t{1} << 20;

// Each file of targets gives its own.
std::vector<Target> table_targets();
std::vector<Target> pickle_targets();
std::vector<Target> hdf5_targets();
std::vector<Target> made_targets();

}  // namespace canal_fuzz
