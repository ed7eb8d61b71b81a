#include "daemon/control/control_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/control/disk_usage.h"
#include "daemon/control/status_encoder.h"
#include "daemon/control/timestamps.h"
#include "runtime/base/duplex_stream.h"

namespace cairn::control {
namespace {

using SessionCall = BidiCall<api::BytesMessage, api::BytesMessage>;
using StatusCall = WriteCall<api::StatusRequest, api::StatusResponse>;

constexpr absl::Duration kStatusWait = absl::Seconds(6);
// At which what clients send in a session goes on to its reader.
constexpr size_t kMaxChunk = 256 << 10;

// The Session call as the tunnel sees it.
class SessionStream final : public DuplexStream {
 public:
  explicit SessionStream(SessionCall& call) : call_(call) {}
  Incoming Read(std::string* chunk) override {
    if (!call_.Read(&incoming_)) {
      return Incoming::kBroken;
    }
    chunk->swap(*incoming_.mutable_data());
    // Clients send many small ones.
    while (chunk->size() < kMaxChunk && call_.ReadArrived(&incoming_)) {
      chunk->append(incoming_.data());
    }
    return Incoming::kData;
  }
  bool Write(string_view data) override {
    outgoing_.set_data(data.data(), data.size());
    return call_.Write(outgoing_);
  }
  void EndWrites() override {}
  void Close() override { call_.BreakOff(); }

 private:
  SessionCall& call_;
  api::BytesMessage incoming_;
  api::BytesMessage outgoing_;
};

absl::Status FollowProgress(solver::Solver& solver, const std::string& ref, StatusCall& call,
                            const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const std::shared_ptr<solver::ProgressLog> progress,
                   solver.FindProgress(ref, kStatusWait, cancel));
  const auto subscription = progress->Subscribe();
  while (true) {
    ASSIGN_OR_RETURN(const solver::ProgressBatch batch, subscription->Next(cancel));
    if (batch.empty()) {
      return absl::OkStatus();
    }
    for (const api::StatusResponse& response : EncodeProgress(batch)) {
      if (!call.Write(response)) {
        return absl::CancelledError("context canceled");
      }
    }
  }
}

void AddTimeHeader(grpc::CallbackServerContext* context, const Clock& clock) {
  context->AddInitialMetadata(kCurrentTimeHeader, FormatCurrentTime(clock.Now()));
}

}  // namespace

grpc::ServerUnaryReactor* ControlService::Solve(Context* context, const api::SolveRequest* request,
                                                api::SolveResponse* response) {
  return UnaryCall<api::SolveRequest, api::SolveResponse>::Start(
      environment_.threads, context, request, response,
      [this](const CallInfo& call, const api::SolveRequest& wire,
             api::SolveResponse* out) -> absl::Status {
        ASSIGN_OR_RETURN(const BuildRequest build, DecodeBuildRequest(wire));
        ASSIGN_OR_RETURN(const auto exported, environment_.builds.Run(build, call.cancel));
        out->mutable_exporterresponse()->insert(exported.begin(), exported.end());
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<api::StatusResponse>* ControlService::Status(
    Context* context, const api::StatusRequest* request) {
  AddTimeHeader(context, environment_.clock);
  return StatusCall::Start(
      environment_.threads, context, request,
      [this](const CallInfo& info, const api::StatusRequest& wire,
             StatusCall& call) -> absl::Status {
        call.SendHeaders();
        ASSIGN_OR_RETURN(
            const bool replayed,
            environment_.history.Replay(wire.ref(), [&call](const api::StatusResponse& response) {
              return call.Write(response);
            }));
        return replayed ? absl::OkStatus()
                        : FollowProgress(environment_.solver, wire.ref(), call, info.cancel);
      });
}

grpc::ServerBidiReactor<api::BytesMessage, api::BytesMessage>* ControlService::Session(
    Context* context) {
  return SessionCall::Start(environment_.threads, context,
                            [this](const CallInfo& info, SessionCall& call) -> absl::Status {
                              ASSIGN_OR_RETURN(session::SessionInfo session,
                                               session::SessionInfo::FromHeaders(info.metadata));
                              call.SendHeaders();
                              SessionStream stream(call);
                              return environment_.sessions.Serve(std::move(session), stream,
                                                                 info.cancel);
                            });
}

grpc::ServerUnaryReactor* ControlService::ListWorkers(Context* context,
                                                      const api::ListWorkersRequest* request,
                                                      api::ListWorkersResponse* response) {
  return UnaryCall<api::ListWorkersRequest, api::ListWorkersResponse>::Start(
      environment_.threads, context, request, response,
      [this](const CallInfo&, const api::ListWorkersRequest& wire,
             api::ListWorkersResponse* out) -> absl::Status {
        ASSIGN_OR_RETURN(
            const bool matches,
            MatchesWorker(environment_.worker, {wire.filter().begin(), wire.filter().end()}));
        if (matches) {
          auto* record = out->add_record();
          EncodeWorker(environment_.worker, /*brief=*/false, record);
          EncodeDevices(environment_.devices.Read(), record);
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ControlService::Info(Context* context, const api::InfoRequest* request,
                                               api::InfoResponse* response) {
  return UnaryCall<api::InfoRequest, api::InfoResponse>::Start(
      environment_.threads, context, request, response,
      [this](const CallInfo&, const api::InfoRequest&, api::InfoResponse* out) -> absl::Status {
        EncodeVersion(environment_.worker, out->mutable_buildkitversion());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ControlService::DiskUsage(Context* context,
                                                    const api::DiskUsageRequest* request,
                                                    api::DiskUsageResponse* response) {
  return UnaryCall<api::DiskUsageRequest, api::DiskUsageResponse>::Start(
      environment_.threads, context, request, response,
      [this](const CallInfo&, const api::DiskUsageRequest& wire, api::DiskUsageResponse* out) {
        return ListUsage(environment_.ledger, environment_.clock, wire, out);
      });
}

grpc::ServerWriteReactor<api::UsageRecord>* ControlService::Prune(
    Context* context, const api::PruneRequest* request) {
  using PruneCall = WriteCall<api::PruneRequest, api::UsageRecord>;
  return PruneCall::Start(
      environment_.threads, context, request,
      [this](const CallInfo& info, const api::PruneRequest& wire, PruneCall& call) {
        return environment_.collector.Prune(
            DecodePruneRule(wire),
            [&call](const gc::Record& record) {
              api::UsageRecord usage;
              EncodeUsage(record, &usage);
              call.Write(usage);
            },
            info.cancel);
      });
}

grpc::ServerWriteReactor<api::BuildHistoryEvent>* ControlService::ListenBuildHistory(
    Context* context, const api::BuildHistoryRequest* request) {
  using HistoryCall = WriteCall<api::BuildHistoryRequest, api::BuildHistoryEvent>;
  AddTimeHeader(context, environment_.clock);
  return HistoryCall::Start(
      environment_.threads, context, request,
      [this](const CallInfo& info, const api::BuildHistoryRequest& wire, HistoryCall& call) {
        call.SendHeaders();
        return environment_.history.Listen(
            wire, [&call](const api::BuildHistoryEvent& event) { return call.Write(event); },
            info.cancel);
      });
}

grpc::ServerUnaryReactor* ControlService::UpdateBuildHistory(
    Context* context, const api::UpdateBuildHistoryRequest* request,
    api::UpdateBuildHistoryResponse* response) {
  return UnaryCall<api::UpdateBuildHistoryRequest, api::UpdateBuildHistoryResponse>::Start(
      environment_.threads, context, request, response,
      [this](const CallInfo&, const api::UpdateBuildHistoryRequest& wire,
             api::UpdateBuildHistoryResponse*) { return environment_.history.Update(wire); });
}

}  // namespace cairn::control
