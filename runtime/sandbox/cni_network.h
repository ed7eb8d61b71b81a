// Networks made by CNI plugins (Container Network Interface specification 1.0).
//
// Each container has a network namespace of its own, with loopback up and eth0 made by the chain of
// plugins that the configuration names: each is run with ADD, its configuration and its
// predecessor's result on stdin, and later with DEL in reverse order. A pool of ready namespaces
// hides the plugins' run time; a namespace serves one container only. Thread-safe.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/sync.h"
#include "runtime/sandbox/cni_records.h"
#include "runtime/sandbox/network.h"

namespace cairn::sandbox {

class CniNetwork final : public Network {
 public:
  static StatusOr<std::unique_ptr<CniNetwork>> Create(const NetworkOptions& options);
  ~CniNetwork() override;

  StatusOr<std::unique_ptr<NetworkAttachment>> Attach(const std::string& hostname,
                                                      const CancelToken& cancel) override;
  bool is_host() const override { return false; }
  std::string name() const override { return "cni"; }

 private:
  class Attachment;

  // One plugin of the chain, with its configuration as JSON text (name and cniVersion included).
  struct Plugin {
    std::string program;
    std::string config;
  };

  CniNetwork(NetworkOptions options, CniRecords records);
  StatusOr<std::unique_ptr<Attachment>> MakeAttachment(const std::string& hostname,
                                                       const CancelToken& cancel);
  // Runs one plugin; returns what it printed.
  StatusOr<std::string> RunPlugin(const Plugin& plugin, const char* command,
                                  const Attachment& attachment, const std::string& previous,
                                  const CancelToken& cancel) const;
  void Remove(Attachment& attachment) const;
  // Deletes what a daemon that died had attached.
  void RemoveLeftovers();
  void FillPool();

  const NetworkOptions options_;
  const CniRecords records_;
  std::vector<Plugin> plugins_;

  Mutex mu_;
  CondVar changed_;
  std::deque<std::unique_ptr<Attachment>> ready_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool filling_ ABSL_GUARDED_BY(mu_) = false;  // the filler runs plugins
  CancelSource stop_;
  std::thread filler_;
};

}  // namespace cairn::sandbox
