#include "daemon/frontend/dockerfile/flags.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/location.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {

Status Flags::Parse(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") {
      return absl::OkStatus();
    }
    if (!absl::StartsWith(word, "--")) {
      return Error(absl::StrCat("arg should start with -- : ", word));
    }
    const size_t equals = word.find('=');
    const bool has_value = equals != std::string::npos;
    const std::string flag = word.substr(0, equals);  // with its dashes, for messages
    const std::string name = flag.substr(2);
    std::string value = has_value ? word.substr(equals + 1) : "";
    const auto known = known_.find(name);
    if (known == known_.end()) {
      std::vector<std::string> names;
      for (const auto& entry : known_) {
        names.push_back(entry.first);
      }
      return WithSuggestion(Error(absl::StrCat("unknown flag: ", flag)), name, names, true);
    }
    if (Has(name) && known->second != FlagKind::kList) {
      return Error(absl::StrCat("duplicate flag specified: ", flag));
    }
    if (known->second == FlagKind::kBool) {
      if (has_value && value.empty()) {
        return Error(absl::StrCat("missing a value on flag: ", flag));
      }
      const std::string lower = has_value ? absl::AsciiStrToLower(value) : "true";
      if (lower != "true" && lower != "false") {
        return Error(absl::StrCat("expecting boolean value for flag ", flag, ", not: ", value));
      }
      value = lower;
    } else if (!has_value) {
      return Error(absl::StrCat("missing a value on flag: ", flag));
    }
    values_[name].push_back(std::move(value));
  }
  return absl::OkStatus();
}

std::string Flags::Value(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? "" : found->second.front();
}

std::vector<std::string> Flags::Values(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

std::vector<std::string> Flags::Used() const {
  std::vector<std::string> names;
  for (const auto& entry : values_) {
    names.push_back(entry.first);
  }
  return names;
}

}  // namespace cairn::dockerfile
