#include "daemon/frontend/dockerfile/environment.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cairn::dockerfile {

Environment Environment::FromList(const std::vector<std::string>& entries) {
  Environment environment;
  for (const std::string& entry : entries) {
    const size_t equals = entry.find('=');
    environment.Set(
        string_view(entry).substr(0, equals),
        equals == std::string::npos ? string_view() : string_view(entry).substr(equals + 1));
  }
  return environment;
}

void Environment::Set(string_view name, string_view value) {
  Remove(name);
  entries_.emplace_back(std::string(name), std::string(value));
}

void Environment::Remove(string_view name) {
  entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                [&](const auto& entry) { return entry.first == name; }),
                 entries_.end());
}

std::optional<std::string> Environment::Get(string_view name) const {
  for (const auto& entry : entries_) {
    if (entry.first == name) {
      return entry.second;
    }
  }
  return std::nullopt;
}

std::vector<std::string> Environment::Names() const {
  std::vector<std::string> names;
  for (const auto& entry : entries_) {
    names.push_back(entry.first);
  }
  return names;
}

size_t Environment::bytes() const {
  size_t total = 0;
  for (const auto& entry : entries_) {
    total += entry.first.size() + entry.second.size();
  }
  return total;
}

std::vector<std::string> Environment::ToList() const {
  std::vector<std::string> list;
  for (const auto& entry : entries_) {
    list.push_back(absl::StrCat(entry.first, "=", entry.second));
  }
  return list;
}

}  // namespace cairn::dockerfile
