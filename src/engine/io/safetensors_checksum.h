// A checksum within a `.safetensors` file, as the format has none: an entry of the metadata,
//
//   "checksum":"canalR FNV-1a 1f0c2a5e9b7d3348"
//
// of the header, with zeros for these digits, and of the data. Other programs read past it; one
// that writes the entry back with other weights has to leave it out.
#pragma once
#include <string>
#include <string_view>

namespace canal::io {

inline constexpr const char* checksum_entry = "checksum";
inline constexpr const char* checksum_kind = "canalR FNV-1a ";

// What stands in the entry before the checksum is known.
std::string unknown_checksum();

// Whether the entry is canalR's; other programs may have one of the same name.
bool is_own_checksum(std::string_view entry);

// Where the checksum's digits are in a header; npos where there are none.
size_t checksum_place(std::string_view header);

// Throws FormatError where a file that has a checksum does not hold what it says.
void check_safetensors(std::string_view header, std::string_view data);

}  // namespace canal::io
