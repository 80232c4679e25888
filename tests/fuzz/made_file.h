// Well-formed HDF5 files with odd content, made from a few bytes: what the fuzzer changes is not
// the file, which HDF5 itself might fail on, but what is written into it.
#pragma once
#include <string>
#include <string_view>

namespace canal_fuzz {

// The bytes of a file: the first of `program` chooses a sound file (AnnData, 10x or a tree), the
// rest are steps that change it. Steps that HDF5 refuses are passed over.
std::string made_file(std::string_view program);

}  // namespace canal_fuzz
