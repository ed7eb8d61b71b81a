// Environment: an ordered list of variables, as a stage sees them.
//
// Setting a variable anew moves it to the end; that order is the order of a RUN's environment and
// hence part of its digest.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::dockerfile {

class Environment {
 public:
  Environment() = default;
  // From "NAME=value" entries; one without '=' has an empty value.
  static Environment FromList(const std::vector<std::string>& entries);

  void Set(string_view name, string_view value);
  void Remove(string_view name);
  std::optional<std::string> Get(string_view name) const;
  bool Has(string_view name) const { return Get(name).has_value(); }

  // In order of last setting.
  const std::vector<std::pair<std::string, std::string>>& entries() const { return entries_; }
  std::vector<std::string> Names() const;
  // "NAME=value" entries.
  std::vector<std::string> ToList() const;
  // Length of all names and values together.
  size_t bytes() const;

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
};

}  // namespace cairn::dockerfile
