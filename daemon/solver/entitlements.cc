#include "daemon/solver/entitlements.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::solver {
namespace {

string_view NameOf(Entitlement entitlement) {
  switch (entitlement) {
    case Entitlement::kNetworkHost:
      return "network.host";
    case Entitlement::kSecurityInsecure:
      return "security.insecure";
    case Entitlement::kDevice:
      return "device";
  }
  return "";
}

}  // namespace

StatusOr<Entitlements> Entitlements::Parse(const std::vector<std::string>& names) {
  std::set<Entitlement> granted;
  DeviceGrants devices;
  for (const std::string& name : names) {
    if (name == NameOf(Entitlement::kNetworkHost)) {
      granted.insert(Entitlement::kNetworkHost);
    } else if (name == NameOf(Entitlement::kSecurityInsecure)) {
      granted.insert(Entitlement::kSecurityInsecure);
    } else if (name == NameOf(Entitlement::kDevice) || absl::StartsWith(name, "device=")) {
      granted.insert(Entitlement::kDevice);
      const size_t equals = name.find('=');
      ASSIGN_OR_RETURN(
          const DeviceGrants more,
          DeviceGrants::Parse(equals == std::string::npos ? "" : name.substr(equals + 1)));
      devices.Add(more);
    } else {
      return absl::InvalidArgumentError(absl::StrCat(
          "unknown entitlement ", name, ": known are network.host, security.insecure and device"));
    }
  }
  Entitlements entitlements(std::move(granted));
  entitlements.devices_ = std::move(devices);
  return entitlements;
}

Status Entitlements::Require(Entitlement entitlement) const {
  if (Has(entitlement)) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat("entitlement ", NameOf(entitlement), " is not allowed; build with --allow ",
                   NameOf(entitlement), " on a daemon whose insecure-entitlements include it"));
}

Entitlements Entitlements::Intersect(const Entitlements& other) const {
  std::set<Entitlement> both;
  std::set_intersection(granted_.begin(), granted_.end(), other.granted_.begin(),
                        other.granted_.end(), std::inserter(both, both.end()));
  Entitlements shared(std::move(both));
  shared.devices_ = devices_.Intersect(other.devices_);
  return shared;
}

Status Entitlements::CheckAllows(const Entitlements& requested) const {
  for (const Entitlement entitlement : requested.granted_) {
    if (!Has(entitlement)) {
      return absl::PermissionDeniedError(
          absl::StrCat("entitlement ", NameOf(entitlement),
                       " is not allowed by the daemon; add it to insecure-entitlements"));
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::solver
