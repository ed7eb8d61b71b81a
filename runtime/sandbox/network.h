// What network a container gets by default: the host's, or one made by CNI plugins.
//
// A Network hands out attachments; each belongs to one container and is given back by its
// destructor. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "runtime/base/cancel.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::sandbox {

// A network namespace for one container.
class NetworkAttachment {
 public:
  virtual ~NetworkAttachment() = default;
  // The namespace; -1 means the host's own.
  virtual int network_namespace() const = 0;
};

class Network {
 public:
  virtual ~Network() = default;

  // `hostname` is told to plugins that register names. Cancelled: kCancelled.
  virtual StatusOr<std::unique_ptr<NetworkAttachment>> Attach(const std::string& hostname,
                                                              const CancelToken& cancel) = 0;
  // Whether containers share the host's network.
  virtual bool is_host() const = 0;
  // "host" or "cni", as clients are told.
  virtual std::string name() const = 0;
};

struct NetworkOptions {
  // "auto": CNI if its configuration and plugins are there, else the host's; "cni"; "host".
  std::string mode = "auto";
  // A CNI network configuration (.json, .conf) or list (.conflist), and where its plugins are.
  std::string cni_config = "/etc/buildkit/cni.json";
  std::string cni_binary_directory = "/opt/cni/bin";
  // Ready-made namespaces to keep; 0 makes each when it is needed.
  int cni_pool_size = 0;
  // Where what is attached is written down (cni_records.h); empty: nowhere.
  std::string record_directory;
};

// kInvalidArgument: an unknown mode, or a configuration that cannot be parsed; kNotFound: mode
// "cni" without configuration or plugins.
StatusOr<std::unique_ptr<Network>> MakeNetwork(const NetworkOptions& options);

}  // namespace cairn::sandbox
