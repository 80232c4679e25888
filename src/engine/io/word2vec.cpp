// word2vec's text form: a line "words width" that some programs leave out, then a word and its
// numbers on each line.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "engine/checkpoint.h"
#include "engine/io/bytes.h"
#include "engine/io/decimal.h"

namespace canal {

namespace {

using namespace io;

constexpr std::string_view blanks = " \t\r";

// The next field of the line, which loses it; empty at its end.
std::string_view next_field(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const size_t end = std::min(line.find_first_of(blanks), line.size());
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(end);
  return field;
}

std::string_view next_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

std::optional<int64_t> as_count(std::string_view field) {
  const bool digits = !field.empty() && field.size() < 18 &&
                      field.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits) return std::nullopt;
  return std::strtoll(std::string(field).c_str(), nullptr, 10);
}

struct Header {
  int64_t words;
  int64_t width;
};

// Two counts alone on the first line; a word of one number would look the same, but nobody has
// vectors of one number.
std::optional<Header> take_header(std::string_view& text) {
  std::string_view rest = text;
  std::string_view line = next_line(rest);
  const std::optional<int64_t> words = as_count(next_field(line));
  const std::optional<int64_t> width = as_count(next_field(line));
  if (!words || !width || !next_field(line).empty()) return std::nullopt;
  text = rest;
  return Header{*words, *width};
}

float as_number(std::string_view field, size_t row) {
  const std::string digits(field);
  char* end = nullptr;
  const double value = read_decimal(digits.c_str(), &end);
  if (*end != '\0' || !std::isfinite(value)) {
    throw FormatError("holds '" + digits.substr(0, 40) + "' in vector " + std::to_string(row + 1) +
                      ", where a number is expected");
  }
  return static_cast<float>(value);
}

void append_vector(std::string_view line, int64_t width, WordVectors& out) {
  const size_t row = out.words.size();
  const std::string_view word = next_field(line);
  const size_t before = out.table.values.size();
  for (auto field = next_field(line); !field.empty(); field = next_field(line)) {
    out.table.values.push_back(as_number(field, row));
  }
  const size_t numbers = out.table.values.size() - before;
  if (numbers == 0 || (width >= 0 && numbers != static_cast<size_t>(width))) {
    throw FormatError("has " + std::to_string(numbers) + " numbers in vector " +
                      std::to_string(row + 1) + " ('" + std::string(word.substr(0, 40)) + "')" +
                      (width >= 0 ? ", where " + std::to_string(width) + " are expected" : ""));
  }
  out.words.emplace_back(word);
}

WordVectors parse_word2vec(std::string_view text) {
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  const std::optional<Header> header = take_header(text);
  WordVectors out;
  int64_t width = header ? header->width : -1;
  while (!text.empty()) {
    const std::string_view line = next_line(text);
    if (line.find_first_not_of(blanks) == std::string_view::npos) continue;
    append_vector(line, width, out);
    if (width < 0) width = static_cast<int64_t>(out.table.values.size());
  }
  const auto words = static_cast<int64_t>(out.words.size());
  if (words == 0) throw FormatError("holds no word vectors");
  if (header && header->words != words) {
    throw FormatError("is truncated or damaged: it announces " + std::to_string(header->words) +
                      " words and holds " + std::to_string(words));
  }
  refuse_zero_bytes(out.words);
  out.table.shape = {words, width};
  return out;
}

}  // namespace

WordVectors read_word2vec(const std::string& path) {
  const std::string bytes = io::read_whole_file(path);
  return io::with_path(path, [&] { return parse_word2vec(bytes); });
}

}  // namespace canal
