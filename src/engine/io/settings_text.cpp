#include "engine/io/settings_text.h"

#include "engine/io/json.h"

namespace canal::io {

std::string settings_text(const Checkpoint& checkpoint) {
  std::string out = "{\"preset\":" + json_quoted(checkpoint.preset);
  for (const auto& [name, value] : checkpoint.settings) {
    out += "," + json_quoted(name) + ":" + json_real(value);
  }
  return out + "}";
}

bool read_settings(const std::string& text, Checkpoint& checkpoint) {
  const std::optional<Json> json = json_if_any(text);
  if (!json || json->kind != Json::Kind::object) return false;
  for (const auto& [name, value] : json->members) {
    if (name == "preset") {
      checkpoint.preset = value.text;
    } else if (const std::optional<double> number = json_number(value)) {
      checkpoint.settings.emplace_back(name, *number);
    }
  }
  return true;
}

}  // namespace canal::io
