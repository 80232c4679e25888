#include "engine/io/json.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <set>

#include "engine/io/decimal.h"
#include "engine/io/format_error.h"
#include "engine/io/pickle_text.h"

namespace canal::io {

namespace {

// A header is an object of objects of arrays; its metadata are texts.
constexpr int deepest = 16;
// A byte of JSON can ask for a value of a hundred: far more than any header has are refused.
constexpr size_t most_values = size_t{1} << 20;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}

  Json parse() {
    Json value = parse_value(0);
    skip_space();
    if (at_ != text_.size()) fail("something follows its end");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw FormatError("holds JSON that is damaged at byte " + std::to_string(at_) + ": " + reason);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }

  bool take(char wanted) {
    skip_space();
    if (peek() != wanted || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  void expect(char wanted) {
    if (!take(wanted)) fail(std::string("'") + wanted + "' is missing");
  }

  Json parse_value(int depth) {
    if (depth > deepest) fail("it is nested more than " + std::to_string(deepest) + " deep");
    if (++values_ > most_values) fail("it holds more than " + std::to_string(most_values));
    skip_space();
    switch (peek()) {
      case '{': return parse_object(depth);
      case '[': return parse_array(depth);
      case '"': return Json{Json::Kind::text, parse_text(), {}, {}};
      case 't': return parse_word("true", Json::Kind::boolean);
      case 'f': return parse_word("false", Json::Kind::boolean);
      case 'n': return parse_word("null", Json::Kind::null);
      default: return parse_number();
    }
  }

  Json parse_word(std::string_view word, Json::Kind kind) {
    if (text_.substr(at_, word.size()) != word) fail("an unknown word");
    at_ += word.size();
    return Json{kind, std::string(word), {}, {}};
  }

  Json parse_array(int depth) {
    Json value;
    value.kind = Json::Kind::array;
    expect('[');
    if (take(']')) return value;
    do {
      value.items.push_back(parse_value(depth + 1));
    } while (take(','));
    expect(']');
    return value;
  }

  Json parse_object(int depth) {
    Json value;
    value.kind = Json::Kind::object;
    std::set<std::string> names;
    expect('{');
    if (take('}')) return value;
    do {
      skip_space();
      std::string name = parse_text();
      if (!names.insert(name).second) fail("two members are called '" + name + "'");
      expect(':');
      value.members.emplace_back(std::move(name), parse_value(depth + 1));
    } while (take(','));
    expect('}');
    return value;
  }

  size_t digits() {
    const size_t start = at_;
    while (is_digit(peek())) ++at_;
    return at_ - start;
  }

  Json parse_number() {
    const size_t start = at_;
    if (peek() == '-') ++at_;
    const size_t whole = at_;
    const size_t count = digits();
    if (count == 0) fail("a value is missing");
    if (count > 1 && text_[whole] == '0') fail("a number begins with 0");
    if (peek() == '.') {
      ++at_;
      if (digits() == 0) fail("a number ends in its point");
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (digits() == 0) fail("a number lacks its exponent");
    }
    return Json{Json::Kind::number, std::string(text_.substr(start, at_ - start)), {}, {}};
  }

  std::string parse_text() {
    if (peek() != '"') fail("a text is missing");
    ++at_;
    std::string out;
    while (true) {
      if (at_ >= text_.size()) fail("a text does not end");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) fail("a text holds a control character");
      if (c != '\\') {
        out += c;
      } else {
        append_escape(out);
      }
    }
  }

  void append_escape(std::string& out) {
    const char c = peek();
    ++at_;
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const size_t place = letters.find(c);
    if (place != std::string_view::npos) {
      out += meanings[place];
    } else if (c == 'u') {
      append_code_point(out);
    } else {
      fail("an unknown escape");
    }
  }

  void append_code_point(std::string& out) {
    uint32_t code = four_hex_digits();
    if (code >= 0xd800 && code < 0xdc00) {  // the first half of a pair
      if (text_.substr(at_, 2) != "\\u") fail("half a character");
      at_ += 2;
      const uint32_t low = four_hex_digits();
      if (low < 0xdc00 || low > 0xdfff) fail("half a character");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code <= 0xdfff) {
      fail("half a character");
    }
    append_utf8(out, code);
  }

  uint32_t four_hex_digits() {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      constexpr std::string_view digits = "0123456789abcdef";
      const char c = peek();
      const size_t value = digits.find(c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c);
      if (value == std::string_view::npos || c == '\0') fail("an escape lacks a digit");
      code = code * 16 + static_cast<uint32_t>(value);
    }
    return code;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t values_ = 0;
};

}  // namespace

const Json* Json::member(std::string_view name) const {
  for (const auto& [key, value] : members) {
    if (key == name) return &value;
  }
  return nullptr;
}

Json parse_json(std::string_view text) { return JsonParser(text).parse(); }

std::optional<Json> json_if_any(std::string_view text) {
  try {
    return parse_json(text);
  } catch (const FormatError&) {
    return std::nullopt;
  }
}

std::optional<int64_t> json_count(const Json& value) {
  if (value.kind != Json::Kind::number) return std::nullopt;
  if (value.text.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  errno = 0;
  const long long count = std::strtoll(value.text.c_str(), nullptr, 10);
  if (errno == ERANGE) return std::nullopt;
  return count;
}

std::optional<double> json_number(const Json& value) {
  if (value.kind != Json::Kind::number) return std::nullopt;
  return read_decimal(value.text.c_str(), nullptr);
}

std::optional<std::vector<std::string>> json_texts(const Json& value) {
  if (value.kind != Json::Kind::array) return std::nullopt;
  std::vector<std::string> texts;
  for (const Json& item : value.items) {
    if (item.kind != Json::Kind::text) return std::nullopt;
    texts.push_back(item.text);
  }
  return texts;
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string json_array(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (size_t i = 0; i < texts.size(); ++i) out += (i == 0 ? "" : ",") + json_quoted(texts[i]);
  return out + "]";
}

// JSON has no word for infinity; a number that is too large reads as it everywhere.
std::string json_real(double value) {
  if (std::isinf(value)) return value > 0 ? "1e999" : "-1e999";
  return write_decimal(value, 17);
}

}  // namespace canal::io
