// Powers that a build must ask for and the daemon must allow: host network, an unconfined sandbox,
// devices. A power is a value passed down to whoever uses it; an operation without it is refused.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "daemon/solver/device_grants.h"
#include "runtime/base/status.h"

namespace cairn::solver {

enum class Entitlement { kNetworkHost, kSecurityInsecure, kDevice };

class Entitlements {
 public:
  Entitlements() = default;
  explicit Entitlements(std::set<Entitlement> granted) : granted_(std::move(granted)) {}

  // Parses "network.host", "security.insecure", "device" and "device=" with what DeviceGrants
  // takes; kInvalidArgument names an unknown one.
  static StatusOr<Entitlements> Parse(const std::vector<std::string>& names);

  bool Has(Entitlement entitlement) const { return granted_.count(entitlement) > 0; }

  // OK, or kPermissionDenied "entitlement network.host is not allowed" with the way out.
  Status Require(Entitlement entitlement) const;

  // Which devices.
  const DeviceGrants& devices() const { return devices_; }

  // What both allow.
  Entitlements Intersect(const Entitlements& other) const;

  // kPermissionDenied naming the first of `requested` that this set lacks. (Whoever may grant
  // devices may grant each of them.)
  Status CheckAllows(const Entitlements& requested) const;

 private:
  std::set<Entitlement> granted_;
  DeviceGrants devices_;
};

}  // namespace cairn::solver
