// Runs builds: from a Solve request to the exporters' response.
//
// Thread-safe; one for the whole daemon.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/caches/cache_parts.h"
#include "daemon/control/build_bridge.h"
#include "daemon/control/build_request.h"
#include "daemon/control/gateway_build.h"
#include "daemon/control/provenance_writer.h"
#include "daemon/exporter/exporter.h"
#include "daemon/session/session_manager.h"
#include "daemon/solver/solver.h"
#include "runtime/base/log.h"
#include "runtime/base/sync.h"

namespace cairn::control {

// Exporters by type ("image").
using Exporters = std::map<std::string, std::unique_ptr<exporter::Exporter>>;

// What became of a build, for who keeps a history.
struct FinishedBuild {
  const BuildRequest& request;
  solver::ProgressLog& progress;  // closed: it has everything
  absl::Time started;
  Status status;
  std::map<std::string, std::string> response;
  // What each exporter answered, in the order of the request's.
  std::vector<std::map<std::string, std::string>> exporter_responses;
  // How the result was built, in full, whether or not that was asked for: predicates by platform,
  // "" for the platform of a result of one.
  std::map<std::string, std::string> provenance;
};

// Called when a build has started and when it has ended, before its client is told. Not for
// internal builds. From the thread that runs the build.
class BuildObserver {
 public:
  virtual ~BuildObserver() = default;
  virtual void OnStart(const BuildRequest& request, absl::Time started) = 0;
  virtual void OnEnd(const FinishedBuild& build) = 0;
};

// All of it outlives the runner.
struct BuildEnvironment {
  solver::Solver& solver;
  session::SessionManager& sessions;
  BridgeEnvironment bridge;
  const Exporters& exporters;
  solver::Entitlements allowed;  // what the configuration lets builds have
  BuildObserver& observer;
  const Clock& clock;
  Logger& log;
  const caches::CacheParts& caches;
  // Without it no build gets provenance.
  const ProvenanceSettings* provenance = nullptr;
};

class BuildRunner {
 public:
  explicit BuildRunner(BuildEnvironment environment);
  ~BuildRunner();
  BuildRunner(const BuildRunner&) = delete;
  BuildRunner& operator=(const BuildRunner&) = delete;

  // Runs the build and returns the exporter response. Returns when everything that needs the client
  // is done, as clients leave at once after that.
  StatusOr<std::map<std::string, std::string>> Run(const BuildRequest& request,
                                                   const CancelToken& cancel);

  // The build `id` that is driven through the gateway; waits a moment for it, as the driver's calls
  // race with Solve. kNotFound "no such job <id>".
  StatusOr<std::shared_ptr<GatewayBuild>> FindGateway(const std::string& id,
                                                      const CancelToken& cancel);

 private:
  // Runs `job` to its end, with nothing left of it when this returns; fills in the responses.
  Status RunJob(std::unique_ptr<solver::Job> job, PolicyGate& gate, const CancelToken& cancel,
                FinishedBuild* out);

  class Build;
  class Registration;

  const BuildEnvironment environment_;
  InputProducers producers_;
  Mutex mu_;
  CondVar changed_;
  std::map<std::string, std::shared_ptr<GatewayBuild>> gateways_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::control
