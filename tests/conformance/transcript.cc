#include "tests/conformance/transcript.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "proto/control.pb.h"
#include "proto/gateway.pb.h"
#include "proto/rpc_status.pb.h"

namespace cairn::conformance {
namespace {

using nlohmann::json;

// The messages of a stream as one, or the one message of an answer.
template <typename Message>
Message Merge(const Answer& answer) {
  Message merged;
  for (const std::string& bytes : answer.messages) {
    merged.MergeFromString(bytes);
  }
  return merged;
}

// "source Dockerfile lines 3-3" of a Source detail, the plain type of any other.
std::string DescribeDetail(const google::protobuf::Any& detail) {
  const std::string type = detail.type_url().substr(detail.type_url().rfind('/') + 1);
  const json value = json::parse(detail.value(), nullptr, false);
  if (!absl::StrContains(type, "Source+json") || !value.is_object()) {
    return type;
  }
  std::string text = absl::StrCat(type, " ", value["info"].value("filename", ""));
  for (const json& range : value["ranges"]) {
    absl::StrAppend(&text, " lines ", range["start"].value("line", 0), "-",
                    range["end"].value("line", 0));
  }
  return text;
}

std::string DescribeError(const grpc::Status& status) {
  std::string text = absl::StrCat("  error ", status.error_code(), ": ",
                                  absl::StrReplaceAll(status.error_message(), {{"\n", "|"}}), "\n");
  google::rpc::Status details;
  std::set<std::string> lines;
  if (details.ParseFromString(status.error_details())) {
    for (const auto& detail : details.details()) {
      lines.insert(DescribeDetail(detail));
    }
  }
  for (const std::string& line : lines) {
    absl::StrAppend(&text, "  detail ", line, "\n");
  }
  return text;
}

std::string DescribeStatus(const Answer& answer) {
  const auto stream = Merge<moby::buildkit::v1::StatusResponse>(answer);
  std::map<std::string, moby::buildkit::v1::Vertex> vertices;  // as last told
  for (const auto& vertex : stream.vertexes()) {
    vertices[vertex.digest()] = vertex;
  }
  std::set<std::string> lines;
  for (const auto& [digest, vertex] : vertices) {
    const std::string end = !vertex.error().empty()  ? absl::StrCat("error ", vertex.error())
                            : vertex.has_completed() ? "completed"
                            : vertex.has_started()   ? "started"
                                                     : "named";
    lines.insert(absl::StrCat("  vertex ", vertex.name(), ": ", end, "\n"));
  }
  std::map<std::string, std::string> logs;
  for (const auto& log : stream.logs()) {
    logs[log.vertex()] += log.msg();
  }
  for (const auto& [digest, text] : logs) {
    lines.insert(absl::StrCat("  log of ", vertices[digest].name(), ": ",
                              absl::StrReplaceAll(text, {{"\n", "|"}}), "\n"));
  }
  for (const auto& warning : stream.warnings()) {
    lines.insert(absl::StrCat("  warning ", warning.short_(), "\n"));
  }
  std::string text;
  for (const std::string& line : lines) {
    text += line;
  }
  return text;
}

std::string DescribeSolve(const Answer& answer, bool digests) {
  const auto response = Merge<moby::buildkit::v1::SolveResponse>(answer);
  std::string text;
  for (const auto& [key, value] : std::map<std::string, std::string>(
           response.exporterresponse().begin(), response.exporterresponse().end())) {
    // Of the digests, the config's: it tells the layers uncompressed, while compressors' output
    // differs between generations of processors.
    const bool shown = digests && key == "containerimage.config.digest";
    absl::StrAppend(&text, "  ", key, shown ? absl::StrCat(": ", value) : "", "\n");
  }
  return text;
}

std::string DescribeResult(const Answer& answer) {
  const auto response = Merge<moby::buildkit::v1::frontend::SolveResponse>(answer);
  const auto& result = response.result();
  std::string text = absl::StrCat("  ", result.has_ref() ? 1 : result.refs().refs_size(), " ref\n");
  for (const auto& [key, value] :
       std::map<std::string, std::string>(result.metadata().begin(), result.metadata().end())) {
    absl::StrAppend(&text, "  metadata ", key, "\n");
  }
  return text;
}

}  // namespace

std::string Describe(const std::string& method, const Answer& answer, bool digests) {
  std::string text = absl::StrCat(method, "\n");
  if (absl::EndsWith(method, "Control/Status")) {
    text += DescribeStatus(answer);
  } else if (absl::EndsWith(method, "Control/Solve")) {
    text += DescribeSolve(answer, digests);
  } else if (absl::EndsWith(method, "LLBBridge/Solve")) {
    text += DescribeResult(answer);
  } else if (absl::EndsWith(method, "Control/ListWorkers")) {
    const auto workers = Merge<moby::buildkit::v1::ListWorkersResponse>(answer);
    absl::StrAppend(&text, "  ", workers.record_size(), " worker\n");
  }
  return answer.status.ok() ? text : absl::StrCat(text, DescribeError(answer.status));
}

}  // namespace cairn::conformance
