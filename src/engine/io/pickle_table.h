// What a pickle may ask for: the opcodes and the globals that canalR knows. Whatever is not in
// these tables is refused, or left out, by its name. inst/pickles.md shows them; a test compares
// the two.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace canal::io {

struct PickleOpcode {
  uint8_t code;
  const char* name;  // Python's, of pickletools
  bool accepted;
};

// Those of all protocols of Python, by code.
const std::vector<PickleOpcode>& pickle_opcodes();

// nullptr where Python has none either.
const PickleOpcode* pickle_opcode(uint8_t code);

struct PickleGlobal {
  const char* name;    // "module.name"
  const char* stands;  // what it is read as
  bool of_bank;        // met only in a pickled AnnData
};

const std::vector<PickleGlobal>& pickle_globals();

// nullptr for any other.
const PickleGlobal* pickle_global(std::string_view name);

}  // namespace canal::io
