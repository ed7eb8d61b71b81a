#include "runtime/sandbox/network.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "runtime/sandbox/cni_network.h"

namespace cairn::sandbox {
namespace {

class HostAttachment final : public NetworkAttachment {
 public:
  int network_namespace() const override { return -1; }
};

class HostNetwork final : public Network {
 public:
  StatusOr<std::unique_ptr<NetworkAttachment>> Attach(const std::string&,
                                                      const CancelToken&) override {
    return std::make_unique<HostAttachment>();
  }
  bool is_host() const override { return true; }
  std::string name() const override { return "host"; }
};

}  // namespace

StatusOr<std::unique_ptr<Network>> MakeNetwork(const NetworkOptions& options) {
  if (options.mode == "host") {
    return std::make_unique<HostNetwork>();
  }
  if (options.mode == "auto" || options.mode.empty()) {
    if (::access(options.cni_config.c_str(), F_OK) != 0 ||
        ::access(options.cni_binary_directory.c_str(), F_OK) != 0) {
      return std::make_unique<HostNetwork>();
    }
  } else if (options.mode != "cni") {
    return absl::InvalidArgumentError(
        absl::StrCat("unknown network mode ", options.mode, ": want auto, cni or host"));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<CniNetwork> network, CniNetwork::Create(options));
  return network;
}

}  // namespace cairn::sandbox
