#include "daemon/control/bridge_calls.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/control/capabilities.h"
#include "daemon/control/errors.h"
#include "daemon/control/file_range.h"
#include "daemon/control/result_codec.h"
#include "daemon/control/source_meta_codec.h"
#include "daemon/session/rpc_status.h"
#include "proto/rpc_status.pb.h"

namespace cairn::control {
namespace {

std::optional<Platform> OptionalPlatform(bool has, const pb::Platform& platform) {
  if (!has) {
    return std::nullopt;
  }
  return DecodePlatform(platform);
}

StatusOr<Digest> ParseVertex(const std::string& text) {
  const auto digest = Digest::Parse(text);
  if (!digest.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("invalid vertex digest \"", text, "\""));
  }
  return *digest;
}

}  // namespace

void AnswerPing(const WorkerInfo& worker, gateway::PongResponse* response) {
  AddCapabilities(response);
  EncodeWorker(worker, /*brief=*/true, response->add_workers());
}

Status CallInputs(GatewayBuild& build, const CancelToken&, const gateway::InputsRequest&,
                  gateway::InputsResponse* response) {
  const auto& inputs = build.bridge().inputs();
  response->mutable_definitions()->insert(inputs.begin(), inputs.end());
  return absl::OkStatus();
}

Status CallSolve(GatewayBuild& build, const CancelToken& cancel,
                 const gateway::SolveRequest& request, gateway::SolveResponse* response) {
  solver::SolveRequest solve;
  if (request.has_definition() && request.definition().def_size() > 0) {
    solve.definition = request.definition();
  }
  solve.frontend = request.frontend();
  if (solve.definition.has_value() && !solve.frontend.empty()) {
    return absl::InvalidArgumentError("cannot solve with both definition and frontend specified");
  }
  solve.request.options.insert(request.frontendopt().begin(), request.frontendopt().end());
  solve.request.inputs.insert(request.frontendinputs().begin(), request.frontendinputs().end());
  solve.evaluate = request.evaluate();
  solve.source_policies.assign(request.sourcepolicies().begin(), request.sourcepolicies().end());
  for (const auto& entry : request.cacheimports()) {
    solve.cache_imports.push_back({entry.type(), {entry.attrs().begin(), entry.attrs().end()}});
  }
  const auto solved = build.bridge().Solve(solve, cancel);
  RETURN_IF_ERROR(BuildFailure(solved.status()));
  const solver::FrontendResult& result = *solved;
  if (request.allowresultreturn()) {
    EncodeResult(result, request.allowresultarrayref(), build, response->mutable_result());
    return absl::OkStatus();
  }
  if (!result.refs.empty()) {
    return absl::InvalidArgumentError("solve did not return a single result");
  }
  if (result.ref.has_value()) {
    response->set_ref(build.AddRef(*result.ref));
  }
  return absl::OkStatus();
}

Status CallEvaluate(GatewayBuild& build, const CancelToken& cancel,
                    const gateway::EvaluateRequest& request, gateway::EvaluateResponse*) {
  ASSIGN_OR_RETURN(const solver::RefPtr ref, build.FindRef(request.ref()));
  return ref == nullptr ? absl::OkStatus() : BuildFailure(ref->Evaluate(cancel).status());
}

Status CallReadFile(GatewayBuild& build, const CancelToken& cancel,
                    const gateway::ReadFileRequest& request, gateway::ReadFileResponse* response) {
  ASSIGN_OR_RETURN(const solver::RefPtr ref, build.FindRef(request.ref()));
  ASSIGN_OR_RETURN(const std::optional<solver::FileRange> range, DecodeRange(request));
  ASSIGN_OR_RETURN(*response->mutable_data(),
                   build.bridge().ReadFile(ref, request.filepath(), range, cancel));
  return absl::OkStatus();
}

Status CallReadDir(GatewayBuild& build, const CancelToken& cancel,
                   const gateway::ReadDirRequest& request, gateway::ReadDirResponse* response) {
  ASSIGN_OR_RETURN(const solver::RefPtr ref, build.FindRef(request.ref()));
  ASSIGN_OR_RETURN(
      const std::vector<solver::FileStat> entries,
      build.bridge().ReadDir(ref, request.dirpath(), request.includepattern(), cancel));
  for (const solver::FileStat& entry : entries) {
    EncodeStat(entry, response->add_entries());
  }
  return absl::OkStatus();
}

Status CallStatFile(GatewayBuild& build, const CancelToken& cancel,
                    const gateway::StatFileRequest& request, gateway::StatFileResponse* response) {
  ASSIGN_OR_RETURN(const solver::RefPtr ref, build.FindRef(request.ref()));
  ASSIGN_OR_RETURN(const solver::FileStat stat,
                   build.bridge().StatFile(ref, request.path(), cancel));
  EncodeStat(stat, response->mutable_stat());
  return absl::OkStatus();
}

Status CallResolveImageConfig(GatewayBuild& build, const CancelToken& cancel,
                              const gateway::ResolveImageConfigRequest& request,
                              gateway::ResolveImageConfigResponse* response) {
  solver::ResolveImageRequest resolve;
  resolve.reference = request.ref();
  resolve.platform = OptionalPlatform(request.has_platform(), request.platform());
  resolve.mode = request.resolvemode();
  resolve.log_name = request.logname();
  resolve.oci_layout = request.resolvertype() == 1;
  resolve.session_id = request.sessionid();
  resolve.store_id = request.storeid();
  resolve.source_policies.assign(request.sourcepolicies().begin(), request.sourcepolicies().end());
  ASSIGN_OR_RETURN(const solver::ImageConfig config,
                   build.bridge().ResolveImageConfig(resolve, cancel));
  response->set_digest(config.digest.ToString());
  response->set_config(config.config);
  // Clients that named no digest put the one of the answer behind the reference themselves.
  const bool pinned = absl::StrContains(request.ref(), '@');
  response->set_ref(pinned ? config.reference
                           : config.reference.substr(0, config.reference.find('@')));
  return absl::OkStatus();
}

Status CallResolveSourceMeta(GatewayBuild& build, const CancelToken& cancel,
                             const gateway::ResolveSourceMetaRequest& request,
                             gateway::ResolveSourceMetaResponse* response) {
  if (!request.has_source()) {
    return absl::InvalidArgumentError("source is required");
  }
  ASSIGN_OR_RETURN(const solver::SourceMeta meta,
                   build.bridge().ResolveSourceMeta(DecodeSourceRequest(request), cancel));
  EncodeSourceMeta(meta, response);
  return absl::OkStatus();
}

Status CallWarn(GatewayBuild& build, const CancelToken&, const gateway::WarnRequest& request,
                gateway::WarnResponse*) {
  ASSIGN_OR_RETURN(const Digest vertex, ParseVertex(request.digest()));
  solver::WarningEvent warning{vertex, 1, {}, {}, {}, {}, {}};
  warning.level = std::max<int64_t>(request.level(), 1);
  warning.short_text = request.short_();
  warning.detail.assign(request.detail().begin(), request.detail().end());
  warning.url = request.url();
  if (request.has_info()) {
    warning.info = request.info();
  }
  warning.ranges.assign(request.ranges().begin(), request.ranges().end());
  return build.bridge().Warn(std::move(warning));
}

Status CallReturn(GatewayBuild& build, const CancelToken&, const gateway::ReturnRequest& request,
                  gateway::ReturnResponse*) {
  if (request.has_error()) {
    Status error = session::FromRpcStatus(request.error());
    if (error.ok()) {
      error = absl::UnknownError("the frontend returned an error without a code");
    }
    return build.Return(std::move(error));
  }
  ASSIGN_OR_RETURN(solver::FrontendResult result, DecodeResult(request.result(), build));
  return build.Return(std::move(result));
}

}  // namespace cairn::control
