#include "daemon/solver/device_grants.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "runtime/base/fields.h"
#include "runtime/base/go_quote.h"

namespace cairn::solver {
namespace {

Status Forbidden(const std::vector<std::string>& names) {
  return absl::PermissionDeniedError(absl::StrCat(
      names.size() == 1 ? "device " : "devices ", absl::StrJoin(names, ", "),
      names.size() == 1 ? " is" : " are", " requested by the build but not allowed; build with ",
      absl::StrJoin(names, " ", [](std::string* out, const std::string& name) {
        absl::StrAppend(out, "--allow device=", name);
      })));
}

}  // namespace

StatusOr<DeviceGrants> DeviceGrants::Parse(string_view text) {
  DeviceGrants grants;
  if (text.empty()) {
    grants.all_ = true;
    return grants;
  }
  ASSIGN_OR_RETURN_IN(const std::vector<std::string> fields, SplitFields(text),
                      absl::StrCat("entitlement device=", text));
  std::string alias;
  for (size_t i = 1; i < fields.size(); ++i) {
    string_view value = fields[i];
    if (!absl::ConsumePrefix(&value, "alias=")) {
      return absl::InvalidArgumentError(
          absl::StrContains(value, '=') ? absl::StrCat("unknown device config key ",
                                                       GoQuote(value.substr(0, value.find('='))))
                                        : absl::StrCat("invalid device config ", GoQuote(value)));
    }
    alias = std::string(value);
  }
  if (alias.empty()) {
    grants.named_[fields[0]];
  } else {
    grants.named_[alias] = fields[0];
  }
  return grants;
}

void DeviceGrants::Add(const DeviceGrants& more) {
  all_ = all_ || more.all_;
  for (const auto& [name, device] : more.named_) {
    named_[name] = device;
  }
}

DeviceGrants DeviceGrants::Intersect(const DeviceGrants& other) const {
  DeviceGrants both;
  both.all_ = all_ && other.all_;
  for (const auto& entry : named_) {
    const auto found = other.named_.find(entry.first);
    if (other.all_ || (found != other.named_.end() && found->second == entry.second)) {
      both.named_.insert(entry);
    }
  }
  if (all_) {
    both.named_.insert(other.named_.begin(), other.named_.end());
  }
  return both;
}

StatusOr<std::vector<std::string>> DeviceGrants::Resolve(
    const std::vector<devices::DeviceRequest>& requests,
    const devices::DeviceCatalog& catalog) const {
  std::vector<devices::DeviceRequest> aliased;
  std::vector<devices::DeviceRequest> others;
  std::vector<devices::DeviceRequest> granted;
  for (const devices::DeviceRequest& request : requests) {
    const auto named = named_.find(request.name);
    if (named != named_.end() && !named->second.empty()) {
      aliased.push_back({.name = named->second, .optional = request.optional});
    } else {
      others.push_back(request);
    }
  }
  for (const auto& [name, device] : named_) {
    if (device.empty()) {
      granted.push_back({.name = name, .optional = true});
    }
  }
  ASSIGN_OR_RETURN(std::vector<std::string> names, catalog.Find(aliased));
  ASSIGN_OR_RETURN(const std::vector<std::string> wanted, catalog.Find(others));
  ASSIGN_OR_RETURN(const std::vector<std::string> allowed, catalog.Find(granted));
  std::vector<std::string> forbidden;
  for (const std::string& name : wanted) {
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      continue;
    }
    const bool may = all_ || std::find(allowed.begin(), allowed.end(), name) != allowed.end() ||
                     catalog.devices().at(name).auto_allow;
    (may ? names : forbidden).push_back(name);
  }
  if (!forbidden.empty()) {
    return Forbidden(forbidden);
  }
  return names;
}

}  // namespace cairn::solver
