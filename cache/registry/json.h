// Strict JSON for the .cc files of this folder.
#pragma once

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace cairn::registry {

// Parses one object; kInvalidArgument for anything else, for a key that occurs twice in an object,
// and for more than 32 levels.
inline StatusOr<nlohmann::json> ParseStrictJson(string_view text, string_view what) {
  constexpr int kMaxDepth = 32;
  std::vector<std::set<std::string>> keys;
  bool twice = false;
  bool deep = false;
  const auto check = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    using Event = nlohmann::json::parse_event_t;
    deep = deep || depth > kMaxDepth;
    if (event == Event::object_start) {
      keys.emplace_back();
    } else if (event == Event::object_end) {
      keys.pop_back();
    } else if (event == Event::key) {
      twice = twice || !keys.back().insert(parsed.get<std::string>()).second;
    }
    return !deep;
  };
  nlohmann::json json = nlohmann::json::parse(text.begin(), text.end(), check, false);
  if (deep || twice || json.is_discarded() || !json.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(what, ": ",
                                                   twice  ? "a key occurs twice"
                                                   : deep ? "nested too deeply"
                                                          : "not a JSON object"));
  }
  return json;
}

}  // namespace cairn::registry
