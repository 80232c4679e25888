// JSON as the headers of `.safetensors` files use it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace canal::io {

struct Json {
  enum class Kind { null, boolean, number, text, array, object };
  Kind kind = Kind::null;
  std::string text;                                   // text; a number as it is written
  std::vector<Json> items;                            // array
  std::vector<std::pair<std::string, Json>> members;  // object, in the order of the text

  const Json* member(std::string_view name) const;
};

// Throws FormatError where the text is no JSON, is nested too deep, holds too many values, or has
// an object with two members of one name.
Json parse_json(std::string_view text);

// Nothing where parse_json() throws.
std::optional<Json> json_if_any(std::string_view text);

// A whole number from 0 to 2^63 - 1; nothing for anything else.
std::optional<int64_t> json_count(const Json& value);

// A number; nothing for anything else.
std::optional<double> json_number(const Json& value);

// An array of texts; nothing for anything else.
std::optional<std::vector<std::string>> json_texts(const Json& value);

std::string json_quoted(std::string_view text);
std::string json_array(const std::vector<std::string>& texts);
std::string json_real(double value);  // as many digits as give the same number back

}  // namespace canal::io
