#include "daemon/source/attributes.h"

#include <cerrno>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::source {

std::string Attributes::Get(const std::string& key, const std::string& missing) const {
  const auto found = op_.attrs().find(key);
  return found == op_.attrs().end() ? missing : found->second;
}

StatusOr<std::vector<std::string>> Attributes::List(const std::string& key) const {
  std::vector<std::string> list;
  const std::string text = Get(key);
  if (text.empty()) {
    return list;
  }
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (json.is_null()) {
    return list;
  }
  bool texts = json.is_array();
  for (const nlohmann::json& item : json) {
    texts = texts && item.is_string();
    if (texts) {
      list.push_back(item.get<std::string>());
    }
  }
  if (!texts) {
    return absl::InvalidArgumentError(absl::StrCat("attribute ", key, " is no list of texts"));
  }
  return list;
}

StatusOr<int64_t> Attributes::Number(const std::string& key, int base, int64_t missing) const {
  const std::string text = Get(key);
  if (text.empty()) {
    return missing;
  }
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text.c_str(), &end, base);
  if (errno != 0 || *end != '\0') {
    return absl::InvalidArgumentError(absl::StrCat("attribute ", key, " is no number: ", text));
  }
  return value;
}

std::vector<std::pair<std::string, std::string>> Attributes::WithPrefix(string_view prefix) const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [key, value] : op_.attrs()) {
    if (absl::StartsWith(key, prefix)) {
      found.emplace_back(key.substr(prefix.size()), value);
    }
  }
  return found;
}

}  // namespace cairn::source
