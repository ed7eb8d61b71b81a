#include "daemon/session/session_exporter.h"

#include "daemon/session/call.h"
#include "proto/session_exporter.grpc.pb.h"

namespace cairn::session {
namespace {

bool NotOffered(const Status& status) {
  return absl::IsUnavailable(status) || absl::IsUnimplemented(status);
}

}  // namespace

StatusOr<std::vector<AddedExporter>> FindExporters(
    const Session& session, const std::map<std::string, std::string>& metadata,
    const std::vector<std::string>& refs, const CancelToken& cancel) {
  moby::exporter::v1::FindExportersRequest request;
  for (const auto& entry : metadata) {
    (*request.mutable_metadata())[entry.first] = entry.second;
  }
  request.mutable_refs()->Add(refs.begin(), refs.end());
  moby::exporter::v1::FindExportersResponse response;
  Call call(session, cancel);
  auto stub = moby::exporter::v1::Exporter::NewStub(session.channel());
  const Status status = call.Finish(stub->FindExporters(call.context(), request, &response));
  std::vector<AddedExporter> added;
  if (NotOffered(status)) {
    return added;
  }
  RETURN_IF_ERROR(status);
  for (const auto& exporter : response.exporters()) {
    added.push_back({exporter.type(), {exporter.attrs().begin(), exporter.attrs().end()}});
  }
  return added;
}

Status FinalizeExport(const Session& session, const std::map<std::string, std::string>& response,
                      const CancelToken& cancel) {
  moby::exporter::v1::FinalizeExportRequest request;
  for (const auto& entry : response) {
    (*request.mutable_exporter_response())[entry.first] = entry.second;
  }
  moby::exporter::v1::FinalizeExportResponse ignored;
  Call call(session, cancel);
  auto stub = moby::exporter::v1::Exporter::NewStub(session.channel());
  const Status status = call.Finish(stub->FinalizeExport(call.context(), request, &ignored));
  return NotOffered(status) ? absl::OkStatus() : status;
}

}  // namespace cairn::session
