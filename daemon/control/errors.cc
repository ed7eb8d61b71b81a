#include "daemon/control/errors.h"

#include "absl/strings/cord.h"
#include "daemon/llb/errors.h"
#include "daemon/session/grpc_status.h"
#include "daemon/session/rpc_status.h"
#include "proto/error_details.pb.h"
#include "proto/gateway.pb.h"
#include "proto/rpc_status.pb.h"

namespace cairn::control {
namespace {

// A detail travels in a header field of the answer.
constexpr size_t kMaxDefinitionBytes = 64 << 10;

void AddSource(Status& status, errdefs::Source source) {
  pb::SourceInfo& info = *source.mutable_info();
  if (info.has_definition() && info.definition().ByteSizeLong() > kMaxDefinitionBytes) {
    info.clear_definition();
  }
  if (info.has_definition()) {
    // Its numbers of 64 bits would become JSON that clients do not read.
    for (auto& entry : *info.mutable_definition()->mutable_metadata()) {
      entry.second.clear_linux_resources();
    }
  }
  session::AddErrorDetail(status, source);
}

}  // namespace

Status WithWireDetails(const Status& status) {
  Status out = status;
  if (const auto frontend = llb::FrontendOf(status)) {
    session::AddErrorDetail(out, *frontend);
  }
  if (const auto cap = llb::FrontendCapOf(status)) {
    errdefs::FrontendCap detail;
    detail.set_name(*cap);
    session::AddErrorDetail(out, detail);
  }
  if (const auto subrequest = llb::SubrequestOf(status)) {
    errdefs::Subrequest detail;
    detail.set_name(*subrequest);
    session::AddErrorDetail(out, detail);
  }
  for (const errdefs::Source& source : llb::SourcesOf(status)) {
    AddSource(out, source);
  }
  if (const auto solve = llb::SolveOf(status)) {
    session::AddErrorDetail(out, *solve);
  }
  if (const auto vertex = llb::VertexOf(status)) {
    errdefs::Vertex detail;
    detail.set_digest(vertex->ToString());
    session::AddErrorDetail(out, detail);
  }
  if (const auto code = llb::ExitCodeOf(status)) {
    moby::buildkit::v1::frontend::ExitMessage detail;
    detail.set_code(*code);
    session::AddErrorDetail(out, detail);
  }
  return out;
}

Status BuildFailure(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kPermissionDenied:
      return status;
    default:
      break;
  }
  Status failure = absl::UnknownError(status.message());
  status.ForEachPayload(
      [&failure](string_view url, const absl::Cord& payload) { failure.SetPayload(url, payload); });
  return failure;
}

grpc::Status EncodeError(const Status& status) {
  return session::ToGrpcStatus(WithWireDetails(status));
}

google::rpc::Status EncodeRpcStatus(const Status& status) {
  return session::ToRpcStatus(WithWireDetails(status));
}

}  // namespace cairn::control
