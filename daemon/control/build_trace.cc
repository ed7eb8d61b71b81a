#include "daemon/control/build_trace.h"

#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "daemon/exporter/image_config.h"

namespace cairn::control {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kInternalSpan = 1;
constexpr size_t kTraceIdLength = 32;
constexpr size_t kSpanIdLength = 16;

struct Span {
  std::string name;
  std::string id;
  std::string parent;  // empty for the build's own
  absl::Time started;
  absl::Time completed;
  std::string error;
  std::map<std::string, std::string> attributes;
  size_t children = 0;
};

std::string IdOf(string_view what, size_t length) {
  return Digest::Of(what).hex().substr(0, length);
}

Json ContextJson(const std::string& trace, const std::string& span) {
  return {{"TraceID", span.empty() ? std::string(kTraceIdLength, '0') : trace},
          {"SpanID", span.empty() ? std::string(kSpanIdLength, '0') : span},
          {"TraceFlags", span.empty() ? "00" : "01"},
          {"TraceState", ""},
          {"Remote", false}};
}

Json AttributesJson(const std::map<std::string, std::string>& attributes) {
  Json out = Json::array();
  for (const auto& [key, value] : attributes) {
    out.push_back({{"Key", key}, {"Value", {{"Type", "STRING"}, {"Value", value}}}});
  }
  return out;
}

void Append(const std::string& trace, const Span& span, std::string* out) {
  const Json json = {
      {"Name", span.name},
      {"SpanContext", ContextJson(trace, span.id)},
      {"Parent", ContextJson(trace, span.parent)},
      {"SpanKind", kInternalSpan},
      {"StartTime", exporter::FormatTimestamp(span.started)},
      {"EndTime", exporter::FormatTimestamp(span.completed)},
      {"Attributes", AttributesJson(span.attributes)},
      {"Events", nullptr},
      {"Links", nullptr},
      {"Status", {{"Code", span.error.empty() ? "Unset" : "Error"}, {"Description", span.error}}},
      {"DroppedAttributes", 0},
      {"DroppedEvents", 0},
      {"DroppedLinks", 0},
      {"ChildSpanCount", span.children},
      {"Resource", AttributesJson({{"service.name", "cairnd"}})},
      {"InstrumentationLibrary", {{"Name", "cairnd"}, {"Version", ""}, {"SchemaURL", ""}}}};
  absl::StrAppend(out, json.dump(-1, ' ', false, Json::error_handler_t::replace), "\n");
}

}  // namespace

std::string EncodeTrace(const TracedBuild& build,
                        const std::vector<solver::ProgressBatch>& progress) {
  // The last event about a vertex has all that is known of it.
  std::map<Digest, solver::VertexEvent> vertices;
  for (const solver::ProgressBatch& batch : progress) {
    for (const solver::VertexEvent& event : batch.vertices) {
      if (event.started.has_value() && event.completed.has_value()) {
        vertices.insert_or_assign(event.digest, event);
      }
    }
  }
  const std::string trace = IdOf(absl::StrCat("trace ", build.ref), kTraceIdLength);
  const std::string root = IdOf(absl::StrCat("build ", build.ref), kSpanIdLength);
  std::string out;
  Append(trace,
         {.name = "build",
          .id = root,
          .parent = "",
          .started = build.started,
          .completed = build.completed,
          .error = build.error,
          .attributes = {{"ref", build.ref}},
          .children = vertices.size()},
         &out);
  for (const auto& [digest, vertex] : vertices) {
    Append(trace,
           {.name = vertex.name,
            .id = IdOf(absl::StrCat(build.ref, " ", digest.ToString()), kSpanIdLength),
            .parent = root,
            .started = *vertex.started,
            .completed = *vertex.completed,
            .error = vertex.error,
            .attributes = {{"vertex", digest.ToString()},
                           {"cached", vertex.cached ? "true" : "false"}}},
           &out);
  }
  return out;
}

}  // namespace cairn::control
