// Runs a target in a process of its own, so that the fuzzer outlives what ends it. The system's
// HDF5 fails by itself on one damaged file in some thousand; a fuzzer that is started anew each
// time, with its corpus, does nothing else.
//
// The process takes one input after another, and another process takes its place when it dies. What
// it was that died goes by the first places of the stack: the first input of each place is kept,
// and all are counted, in a folder:
//   <number>, <number>.report   the input, and what was said of it
//   counts     "<number> <how many times>", a line for each
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace canal_fuzz {

// Does what one input is there for.
using Work = void (*)(std::string_view input);

// The edges that were reached come back to this process, where libFuzzer looks for them.
void run_apart(std::string_view input, Work work, const std::string& folder);

}  // namespace canal_fuzz
