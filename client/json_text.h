// Reading JSON that others wrote and that may hold anything.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace cairn::client {

// The text at `key`; "" when there is none, or something else.
inline std::string StringIn(const nlohmann::json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace cairn::client
