// moby.buildkit.v1.Control: what every client of the daemon talks to first.
#pragma once

#include "cache/gc/collector.h"
#include "cache/gc/ledger.h"
#include "daemon/control/build_runner.h"
#include "daemon/control/rpc_call.h"
#include "daemon/control/worker_info.h"
#include "daemon/devices/device_registry.h"
#include "daemon/history/history.h"
#include "daemon/session/session_manager.h"
#include "daemon/solver/solver.h"
#include "proto/control.grpc.pb.h"

namespace cairn::control {

namespace api = moby::buildkit::v1;

// All of it outlives the service.
struct ControlEnvironment {
  CallThreads& threads;
  const WorkerInfo& worker;
  const devices::DeviceRegistry& devices;
  session::SessionManager& sessions;
  solver::Solver& solver;
  BuildRunner& builds;
  history::History& history;
  gc::Ledger& ledger;
  gc::Collector& collector;
  const Clock& clock;
};

// Thread-safe.
class ControlService final : public api::Control::CallbackService {
 public:
  explicit ControlService(const ControlEnvironment& environment) : environment_(environment) {}

 private:
  using Context = grpc::CallbackServerContext;

  grpc::ServerUnaryReactor* Solve(Context* context, const api::SolveRequest* request,
                                  api::SolveResponse* response) override;
  grpc::ServerWriteReactor<api::StatusResponse>* Status(Context* context,
                                                        const api::StatusRequest* request) override;
  grpc::ServerBidiReactor<api::BytesMessage, api::BytesMessage>* Session(Context* context) override;
  grpc::ServerUnaryReactor* ListWorkers(Context* context, const api::ListWorkersRequest* request,
                                        api::ListWorkersResponse* response) override;
  grpc::ServerUnaryReactor* Info(Context* context, const api::InfoRequest* request,
                                 api::InfoResponse* response) override;
  grpc::ServerUnaryReactor* DiskUsage(Context* context, const api::DiskUsageRequest* request,
                                      api::DiskUsageResponse* response) override;
  grpc::ServerWriteReactor<api::UsageRecord>* Prune(Context* context,
                                                    const api::PruneRequest* request) override;
  grpc::ServerWriteReactor<api::BuildHistoryEvent>* ListenBuildHistory(
      Context* context, const api::BuildHistoryRequest* request) override;
  grpc::ServerUnaryReactor* UpdateBuildHistory(Context* context,
                                               const api::UpdateBuildHistoryRequest* request,
                                               api::UpdateBuildHistoryResponse* response) override;

  const ControlEnvironment environment_;
};

}  // namespace cairn::control
