#include "daemon/control/build_runner.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/control/attestation_reader.h"
#include "daemon/control/build_caches.h"
#include "daemon/control/errors.h"
#include "daemon/control/platform_check.h"
#include "daemon/control/run_all.h"
#include "daemon/control/sbom_writer.h"
#include "daemon/session/session_exporter.h"

namespace cairn::control {
namespace {

constexpr absl::Duration kGatewayWait = absl::Seconds(3);
// More losses than this during one build are no accident.
constexpr int kMaxRepairs = 3;

}  // namespace

// A gateway build's entry in the table of its runner.
class BuildRunner::Registration {
 public:
  Registration(BuildRunner& runner, std::shared_ptr<GatewayBuild> build)
      : runner_(runner), build_(std::move(build)) {
    MutexLock lock(runner_.mu_);
    runner_.gateways_[build_->id()] = build_;
    runner_.changed_.NotifyAll();
  }
  ~Registration() {
    {
      MutexLock lock(runner_.mu_);
      runner_.gateways_.erase(build_->id());
    }
    build_->Close();
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  GatewayBuild& build() { return *build_; }

 private:
  BuildRunner& runner_;
  const std::shared_ptr<GatewayBuild> build_;
};

// One run.
class BuildRunner::Build {
 public:
  Build(BuildRunner& runner, const BuildRequest& request, absl::Time started, solver::Job& job,
        PolicyGate& gate)
      : runner_(runner),
        environment_(runner.environment_),
        request_(request),
        started_(started),
        job_(job),
        record_(MakeRecord(runner.producers_, request)),
        imports_(environment_.caches, job),
        bridge_(environment_.bridge, job, gate, *record_, imports_, request.frontend_inputs,
                request.session_id) {}

  Status Run() {
    RETURN_IF_ERROR(ResolveExports(request_.exporters));
    ASSIGN_OR_RETURN(caches_, BuildCaches::Resolve(environment_.caches, request_, job_));
    for (const TypedAttributes& import : request_.cache_imports) {
      imports_.Add(import.type, import.attributes);
    }
    // Gateway builds hold their refs until everything is exported.
    std::optional<Registration> registration;
    ASSIGN_OR_RETURN(solver::FrontendResult result, MakeResult(registration));
    RETURN_IF_ERROR(AddSbom(bridge_, request_, &result, job_.cancel()));
    exporter::SolvedResult solved;
    RETURN_IF_ERROR(Solve(result, &solved));
    RETURN_IF_ERROR(AddSessionExports(result, registration));
    Status exported = Export(solved);
    // Bytes that a hit should have had and an exporter misses are made again.
    for (int tries = 0; tries < kMaxRepairs && LacksBytes(exported) && Repair(result); ++tries) {
      RETURN_IF_ERROR(Solve(result, &solved));
      exported = Export(solved);
    }
    RETURN_IF_ERROR(exported);
    RETURN_IF_ERROR(caches_->Export(result, solved, &response_));
    MakeHistoryProvenance(result, solved);
    for (const auto& entry : result.metadata) {
      if (absl::StartsWith(entry.first, "frontend.")) {
        response_.emplace(entry.first, entry.second);
      }
    }
    return FinalizeSessionExports();
  }

  const std::map<std::string, std::string>& response() const { return response_; }
  const std::vector<std::map<std::string, std::string>>& exporter_responses() const {
    return exporter_responses_;
  }
  const std::map<std::string, std::string>& provenance() const { return provenance_; }

 private:
  static std::unique_ptr<RequestRecord> MakeRecord(InputProducers& producers,
                                                   const BuildRequest& request) {
    std::map<std::string, std::string> options = request.frontend_attributes;
    const std::string frontend = TakeBuiltinFrontend(request.frontend, &options);
    return std::make_unique<RequestRecord>(producers, frontend, options, request.frontend_inputs);
  }

  Status ResolveExports(const std::vector<TypedAttributes>& requests) {
    for (const TypedAttributes& request : requests) {
      const auto found = environment_.exporters.find(request.type);
      if (found == environment_.exporters.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("exporter \"", request.type, "\" could not be found"));
      }
      ASSIGN_OR_RETURN(std::unique_ptr<exporter::Export> resolved,
                       found->second->Resolve(request.attributes));
      exports_.push_back(std::move(resolved));
    }
    return absl::OkStatus();
  }

  StatusOr<solver::FrontendResult> MakeResult(std::optional<Registration>& registration) {
    if (!request_.definition.has_value() && request_.frontend.empty()) {
      registration.emplace(runner_,
                           std::make_shared<GatewayBuild>(request_.ref, bridge_, job_.cancel()));
      return WaitForDriver(registration->build());
    }
    solver::SolveRequest solve;
    solve.definition = request_.definition;
    solve.frontend = request_.frontend;
    solve.request.options = request_.frontend_attributes;
    solve.request.inputs = request_.frontend_inputs;
    return bridge_.Solve(solve, job_.cancel());
  }

  // The driver may go away without a word: then its session ends.
  StatusOr<solver::FrontendResult> WaitForDriver(GatewayBuild& build) {
    std::shared_ptr<session::Session> session;
    std::unique_ptr<CancelCallback> on_session_end;
    if (!request_.session_id.empty()) {
      auto found = environment_.sessions.Get(request_.session_id, job_.cancel());
      RETURN_IF_ERROR(job_.cancel().Check());
      if (found.ok()) {
        session = *found;
        on_session_end = std::make_unique<CancelCallback>(
            session->closed(), [this] { job_.Cancel("context canceled"); });
      }
    }
    return build.WaitForReturn(job_.cancel());
  }

  Status Solve(const solver::FrontendResult& result, exporter::SolvedResult* solved) {
    *solved = {};
    RETURN_IF_ERROR(Evaluate(result, solved));
    caches_->AddInline(result, solved);
    ASSIGN_OR_RETURN(solved->attestations, ReadAttestations(bridge_, result, job_.cancel()));
    if (environment_.provenance != nullptr) {
      RETURN_IF_ERROR(
          AddProvenance(*environment_.provenance, request_, *record_, result, started_, solved));
    }
    return absl::OkStatus();
  }

  // The history tells how a result was built even where the build did not ask. Not worth failing.
  void MakeHistoryProvenance(const solver::FrontendResult& result,
                             const exporter::SolvedResult& solved) {
    if (environment_.provenance == nullptr || request_.internal) {
      return;
    }
    auto made =
        HistoryProvenance(*environment_.provenance, request_, *record_, result, started_, solved);
    if (made.ok()) {
      provenance_ = *std::move(made);
    } else {
      environment_.log.Warn("no provenance for the history",
                            {{"build", request_.ref}, {"error", made.status().message()}});
    }
  }

  static bool LacksBytes(const Status& status) {
    return absl::IsNotFound(status) || absl::IsDataLoss(status);
  }

  // Has what lost bytes run again when it is solved next; false when nothing has.
  static bool Repair(const solver::FrontendResult& result) {
    bool repaired = result.ref.has_value() && *result.ref != nullptr && (*result.ref)->Repair();
    for (const auto& entry : result.refs) {
      repaired = (entry.second != nullptr && entry.second->Repair()) || repaired;
    }
    return repaired;
  }

  Status Evaluate(const solver::FrontendResult& result, exporter::SolvedResult* solved) {
    solved->metadata = result.metadata;
    std::vector<std::function<Status()>> tasks;
    const auto add = [this, &tasks](const solver::RefPtr& ref, std::optional<layer::Chain>* out) {
      if (ref != nullptr) {
        tasks.push_back([this, &ref, out]() -> Status {
          ASSIGN_OR_RETURN(*out, ref->Evaluate(job_.cancel()));
          return absl::OkStatus();
        });
      }
    };
    if (result.ref.has_value()) {
      solved->single.emplace();
      add(*result.ref, &*solved->single);
    }
    for (const auto& entry : result.refs) {
      add(entry.second, &solved->by_platform[entry.first]);
    }
    return RunAll(tasks);
  }

  // The client may look into the result, by the ids it gets, before it decides.
  Status AddSessionExports(const solver::FrontendResult& result,
                           std::optional<Registration>& registration) {
    if (!request_.session_exporter) {
      return absl::OkStatus();
    }
    if (!registration.has_value()) {
      registration.emplace(runner_,
                           std::make_shared<GatewayBuild>(request_.ref, bridge_, job_.cancel()));
    }
    ASSIGN_OR_RETURN(session_, environment_.sessions.Get(request_.session_id, job_.cancel()));
    std::vector<std::string> refs;
    if (result.ref.has_value()) {
      refs.push_back(registration->build().AddRef(*result.ref));
    }
    for (const auto& entry : result.refs) {
      refs.push_back(registration->build().AddRef(entry.second));
    }
    ASSIGN_OR_RETURN(const std::vector<session::AddedExporter> added,
                     session::FindExporters(*session_, result.metadata, refs, job_.cancel()));
    std::vector<TypedAttributes> requests;
    for (const session::AddedExporter& exporter : added) {
      requests.push_back({exporter.type, exporter.attrs});
    }
    return ResolveExports(requests);
  }

  Status Export(const exporter::SolvedResult& solved) {
    warnings_ = CheckPlatforms(request_.frontend_attributes, solved);
    if (exports_.empty() && !warnings_.empty()) {
      RETURN_IF_ERROR(ReportWarnings());
    }
    exporter_responses_.assign(exports_.size(), {});
    std::vector<std::function<Status()>> tasks;
    for (size_t i = 0; i < exports_.size(); ++i) {
      tasks.push_back([this, i, &solved] { return ExportOne(i, solved, &exporter_responses_[i]); });
    }
    RETURN_IF_ERROR(RunAll(tasks));
    for (const auto& response : exporter_responses_) {
      for (const auto& entry : response) {
        response_[entry.first] = entry.second;  // of several exporters the last one's
      }
    }
    return absl::OkStatus();
  }

  // Warnings about the result belong to the first exporter; without one, to a vertex of their own.
  Status ReportWarnings() {
    const Digest vertex = Digest::Of(absl::StrCat(request_.ref, "-verify"));
    return job_.RunVertex(vertex, "Verifying build result",
                          [this, &vertex](solver::VertexReporter& reporter) -> Status {
                            Warn(vertex, reporter);
                            return absl::OkStatus();
                          });
  }

  void Warn(const Digest& vertex, solver::VertexReporter& reporter) const {
    for (const std::string& text : warnings_) {
      solver::WarningEvent warning{.vertex = vertex};
      warning.short_text = text;
      reporter.Warn(std::move(warning));
    }
  }

  Status ExportOne(size_t index, const exporter::SolvedResult& solved,
                   std::map<std::string, std::string>* response) {
    const Digest vertex = Digest::Of(absl::StrCat(request_.session_id, "-export-", index));
    return job_.RunVertex(
        vertex, exports_[index]->name(),
        [this, index, &vertex, &solved, response](solver::VertexReporter& reporter) -> Status {
          if (index == 0) {
            Warn(vertex, reporter);
          }
          exporter::ExportContext context{static_cast<int>(index),
                                          request_.session_id,
                                          job_.sessions(),
                                          reporter,
                                          job_.lease(),
                                          job_.cancel()};
          ASSIGN_OR_RETURN(*response, exports_[index]->Run(solved, context));
          return absl::OkStatus();
        });
  }

  Status FinalizeSessionExports() {
    if (session_ == nullptr) {
      return absl::OkStatus();
    }
    return session::FinalizeExport(*session_, response_, job_.cancel());
  }

  BuildRunner& runner_;
  const BuildEnvironment& environment_;
  const BuildRequest& request_;
  const absl::Time started_;
  solver::Job& job_;
  const std::unique_ptr<RequestRecord> record_;
  caches::BuildImports imports_;
  BuildBridge bridge_;
  std::unique_ptr<BuildCaches> caches_;
  std::vector<std::unique_ptr<exporter::Export>> exports_;
  std::vector<std::string> warnings_;          // about the result
  std::shared_ptr<session::Session> session_;  // set when it adds exporters
  std::vector<std::map<std::string, std::string>> exporter_responses_;
  std::map<std::string, std::string> response_;
  std::map<std::string, std::string> provenance_;
};

BuildRunner::BuildRunner(BuildEnvironment environment) : environment_(std::move(environment)) {}

BuildRunner::~BuildRunner() = default;

StatusOr<std::map<std::string, std::string>> BuildRunner::Run(const BuildRequest& request,
                                                              const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const solver::Entitlements requested,
                   solver::Entitlements::Parse(request.entitlements));
  RETURN_IF_ERROR(environment_.allowed.CheckAllows(requested));
  solver::JobOptions options;
  options.id = request.ref;
  if (!request.session_id.empty()) {
    options.session_ids.push_back(request.session_id);
  }
  options.entitlements = requested;
  options.internal = request.internal;
  ASSIGN_OR_RETURN(const std::shared_ptr<PolicyGate> gate,
                   PolicyGate::Create(request.source_policy.has_value()
                                          ? solver::SourcePolicies{*request.source_policy}
                                          : solver::SourcePolicies(),
                                      request.source_policy_session, environment_.bridge.sources,
                                      environment_.sessions));
  options.gate = [gate](const pb::Definition& definition, const CancelToken& build) {
    return gate->Filter(definition, build);
  };
  ASSIGN_OR_RETURN(std::unique_ptr<solver::Job> job, environment_.solver.NewJob(options));
  gate->Attach(*job);
  // The progress outlives the job: it is complete only when the job is gone.
  ASSIGN_OR_RETURN(const std::shared_ptr<solver::ProgressLog> progress,
                   environment_.solver.FindProgress(request.ref, absl::ZeroDuration(), cancel));
  const absl::Time started = environment_.clock.Now();
  if (!request.internal) {
    environment_.observer.OnStart(request, started);
  }
  FinishedBuild build{request, *progress, started, {}, {}, {}, {}};
  build.status = RunJob(std::move(job), *gate, cancel, &build);
  if (!request.internal) {
    environment_.observer.OnEnd(build);
  }
  environment_.log.Info("build ended", {{"build", request.ref},
                                        {"status", absl::StatusCodeToString(build.status.code())}});
  RETURN_IF_ERROR(build.status);
  return build.response;
}

Status BuildRunner::RunJob(std::unique_ptr<solver::Job> job, PolicyGate& gate,
                           const CancelToken& cancel, FinishedBuild* out) {
  CancelCallback on_cancel(cancel, [&job] { job->Cancel("context canceled"); });
  Build build(*this, out->request, out->started, *job, gate);
  const Status status = BuildFailure(build.Run());
  out->response = build.response();
  out->exporter_responses = build.exporter_responses();
  out->provenance = build.provenance();
  return status;
}

StatusOr<std::shared_ptr<GatewayBuild>> BuildRunner::FindGateway(const std::string& id,
                                                                 const CancelToken& cancel) {
  CancelCallback on_cancel(cancel, [this] {
    MutexLock lock(mu_);
    changed_.NotifyAll();
  });
  const absl::Time deadline = absl::Now() + kGatewayWait;
  MutexLock lock(mu_);
  while (true) {
    RETURN_IF_ERROR(cancel.Check());
    const auto found = gateways_.find(id);
    if (found != gateways_.end()) {
      return found->second;
    }
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::NotFoundError(absl::StrCat("no such job ", id));
    }
    changed_.WaitFor(mu_, left);
  }
}

}  // namespace cairn::control
