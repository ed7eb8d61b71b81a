// Powers that a step does not have unless somebody decided so, as values.
//
// A function that needs a power takes the value; the only way to make one is GrantedBy, so that
// every place that hands out a power can be found by searching for that name. Values are immutable.
#pragma once

#include <string>
#include <utility>

namespace cairn::sandbox {

// The step shares the host's network namespace.
class HostNetworkEntitlement {
 public:
  // `authority` says who decided ("client and daemon configuration"), for logs.
  static HostNetworkEntitlement GrantedBy(std::string authority) {
    return HostNetworkEntitlement(std::move(authority));
  }
  const std::string& authority() const { return authority_; }

 private:
  explicit HostNetworkEntitlement(std::string authority) : authority_(std::move(authority)) {}
  std::string authority_;
};

// The step has all capabilities, no system call filter, no masked paths, every device, and a
// writable /sys and cgroup file system.
class InsecureEntitlement {
 public:
  static InsecureEntitlement GrantedBy(std::string authority) {
    return InsecureEntitlement(std::move(authority));
  }
  const std::string& authority() const { return authority_; }

 private:
  explicit InsecureEntitlement(std::string authority) : authority_(std::move(authority)) {}
  std::string authority_;
};

}  // namespace cairn::sandbox
