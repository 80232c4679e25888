#include "engine/io/safetensors_checksum.h"

#include "engine/digest.h"
#include "engine/io/format_error.h"

namespace canal::io {

namespace {

constexpr size_t digits = 16;

}  // namespace

std::string unknown_checksum() { return checksum_kind + std::string(digits, '0'); }

bool is_own_checksum(std::string_view entry) {
  const std::string_view kind(checksum_kind);
  return entry.substr(0, kind.size()) == kind;
}

// Within a text of JSON the quotes would be escaped, so that no label or gene is taken for it.
size_t checksum_place(std::string_view header) {
  const std::string start =
      "\"" + std::string(checksum_entry) + "\":\"" + std::string(checksum_kind);
  const size_t at = header.find(start);
  if (at == std::string_view::npos) return at;
  const size_t place = at + start.size();
  return header.size() - place > digits ? place : std::string_view::npos;
}

void check_safetensors(std::string_view header, std::string_view data) {
  const size_t place = checksum_place(header);
  if (place == std::string_view::npos) return;
  std::string blank(header);
  blank.replace(place, digits, digits, '0');
  Digest digest;
  digest.add(blank.data(), blank.size());
  digest.add(data.data(), data.size());
  if (header.substr(place, digits) == digest.text()) return;
  throw FormatError(
      "is damaged, or was changed after it was written: its checksum is another. A program that "
      "changes such a file has to leave '" +
      std::string(checksum_entry) + "' out of its __metadata__");
}

}  // namespace canal::io
