// Reading JSON that others wrote and that may hold anything.
#pragma once

#include <string>

namespace cairn::client {

// The text at `key` of `object`, an nlohmann::json (whose header stays out of ours); "" when there
// is none, or something else.
template <typename Json>
std::string StringIn(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->template get<std::string>() : "";
}

}  // namespace cairn::client
