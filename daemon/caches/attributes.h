// What a client says of a cache, "ref", "mode" and so on, by name.
#pragma once

#include <map>
#include <string>

namespace cairn::caches {

using Attributes = std::map<std::string, std::string>;

// "" when there is none.
inline std::string ValueOf(const Attributes& attributes, const std::string& key) {
  const auto found = attributes.find(key);
  return found == attributes.end() ? "" : found->second;
}

}  // namespace cairn::caches
