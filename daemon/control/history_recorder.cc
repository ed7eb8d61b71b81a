#include "daemon/control/history_recorder.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "daemon/control/build_trace.h"
#include "daemon/control/errors.h"
#include "daemon/control/status_encoder.h"
#include "daemon/control/timestamps.h"
#include "daemon/provenance/predicate.h"
#include "proto/rpc_status.pb.h"

namespace cairn::control {
namespace {

namespace api = moby::buildkit::v1;

constexpr char kErrorMediaType[] =
    "application/vnd.googeapis.google.rpc.status+proto";  // spelt so in the format
constexpr char kAttestationMediaType[] = "application/vnd.in-toto+json";
constexpr char kPredicateTypeAnnotation[] = "in-toto.io/predicate-type";

api::BuildHistoryRecord MakeRecord(const BuildRequest& request, absl::Time started) {
  api::BuildHistoryRecord record;
  record.set_ref(request.ref);
  record.set_frontend(request.frontend);
  record.mutable_frontendattrs()->insert(request.frontend_attributes.begin(),
                                         request.frontend_attributes.end());
  for (const TypedAttributes& exporter : request.exporters) {
    api::Exporter* out = record.add_exporters();
    out->set_type(exporter.type);
    out->mutable_attrs()->insert(exporter.attributes.begin(), exporter.attributes.end());
  }
  EncodeTime(started, record.mutable_createdat());
  return record;
}

void AppendMessage(const api::StatusResponse& response, std::string* log) {
  const std::string bytes = response.SerializeAsString();
  const auto size = static_cast<uint32_t>(bytes.size());
  for (int shift = 0; shift < 32; shift += 8) {
    log->push_back(static_cast<char>((size >> shift) & 0xff));
  }
  log->append(bytes);
}

// The image that an exporter made, as it answered: a base64 JSON descriptor.
bool DecodeDescriptor(const std::map<std::string, std::string>& response, api::Descriptor* out) {
  const auto found = response.find("containerimage.descriptor");
  std::string text;
  if (found == response.end() || !absl::Base64Unescape(found->second, &text)) {
    return false;
  }
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return false;
  }
  out->set_media_type(json.value("mediaType", ""));
  out->set_digest(json.value("digest", ""));
  out->set_size(json.value("size", int64_t{0}));
  if (json.contains("annotations") && json["annotations"].is_object()) {
    for (const auto& annotation : json["annotations"].items()) {
      if (annotation.value().is_string()) {
        (*out->mutable_annotations())[annotation.key()] = annotation.value().get<std::string>();
      }
    }
  }
  return true;
}

void AddResults(const FinishedBuild& build, api::BuildHistoryRecord* record) {
  const size_t count = std::min(build.exporter_responses.size(), build.request.exporters.size());
  for (size_t i = 0; i < count; ++i) {
    api::Descriptor descriptor;
    if (build.request.exporters[i].type == "image" &&
        DecodeDescriptor(build.exporter_responses[i], &descriptor)) {
      (*record->mutable_result()->mutable_results())[static_cast<int64_t>(i)] = descriptor;
      if (i == 0) {
        *record->mutable_result()->mutable_resultdeprecated() = descriptor;
      }
    }
  }
}

// The whole progress of a build that has ended.
std::vector<solver::ProgressBatch> ReadProgress(solver::ProgressLog& progress) {
  std::vector<solver::ProgressBatch> batches;
  const auto subscription = progress.Subscribe();
  while (true) {
    auto batch = subscription->Next(CancelToken());
    if (!batch.ok() || batch->empty()) {
      return batches;
    }
    batches.push_back(*std::move(batch));
  }
}

// The same in the form that replays need.
std::string EncodeLog(const std::vector<solver::ProgressBatch>& batches) {
  std::string log;
  for (const solver::ProgressBatch& batch : batches) {
    for (const api::StatusResponse& response : EncodeProgress(batch)) {
      AppendMessage(response, &log);
    }
  }
  return log;
}

// The error in short in the record, and with all that it carries as a blob.
void AddError(const Status& status, api::BuildHistoryRecord* record,
              std::vector<std::string>* blobs) {
  const google::rpc::Status full = EncodeRpcStatus(status);
  record->mutable_error()->set_code(full.code());
  record->mutable_error()->set_message(full.message());
  blobs->push_back(full.SerializeAsString());
  *record->mutable_externalerror() = history::History::Describe(kErrorMediaType, blobs->back());
}

void AddProvenance(const std::map<std::string, std::string>& predicates,
                   api::BuildHistoryRecord* record, std::vector<std::string>* blobs) {
  for (const auto& [platform, predicate] : predicates) {
    api::BuildResultInfo* result =
        platform.empty() ? record->mutable_result() : &(*record->mutable_results())[platform];
    api::Descriptor* descriptor = result->add_attestations();
    *descriptor = history::History::Describe(kAttestationMediaType, predicate);
    (*descriptor->mutable_annotations())[kPredicateTypeAnnotation] =
        provenance::PredicateType(provenance::SlsaVersion::kV1);
    blobs->push_back(predicate);
  }
}

}  // namespace

void HistoryRecorder::OnStart(const BuildRequest& request, absl::Time started) {
  history_.Start(MakeRecord(request, started));
}

void HistoryRecorder::OnEnd(const FinishedBuild& build) {
  api::BuildHistoryRecord record = MakeRecord(build.request, build.started);
  const absl::Time completed = clock_.Now();
  EncodeTime(completed, record.mutable_completedat());
  std::vector<std::string> blobs;
  if (!build.status.ok()) {
    AddError(build.status, &record, &blobs);
  }
  AddProvenance(build.provenance, &record, &blobs);
  record.mutable_exporterresponse()->insert(build.response.begin(), build.response.end());
  AddResults(build, &record);
  const solver::ProgressLog::Counts counts = build.progress.counts();
  record.set_numtotalsteps(counts.total);
  record.set_numcompletedsteps(counts.completed);
  record.set_numcachedsteps(counts.cached);
  record.set_numwarnings(counts.warnings);
  const std::vector<solver::ProgressBatch> progress = ReadProgress(build.progress);
  blobs.push_back(EncodeTrace(
      {build.request.ref, build.started, completed, std::string(build.status.message())},
      progress));
  *record.mutable_trace() = history::History::Describe(kTraceMediaType, blobs.back());
  const Status stored = history_.Complete(std::move(record), EncodeLog(progress), blobs);
  if (!stored.ok()) {
    log_.Warn("build not recorded", {{"build", build.request.ref}, {"error", stored.message()}});
  }
}

}  // namespace cairn::control
