#include "client/display/raw_json_display.h"

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"

namespace cairn::client {
namespace {

using nlohmann::ordered_json;

std::string FormatTimestamp(const google::protobuf::Timestamp& timestamp) {
  const absl::Time time =
      absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

template <typename Event>
void AddInterval(const Event& event, ordered_json& object) {
  if (event.has_started()) {
    object["started"] = FormatTimestamp(event.started());
  }
  if (event.has_completed()) {
    object["completed"] = FormatTimestamp(event.completed());
  }
}

ordered_json ToJson(const moby::buildkit::v1::Vertex& vertex) {
  ordered_json object{{"digest", vertex.digest()}};
  if (vertex.inputs_size() > 0) {
    object["inputs"] = std::vector<std::string>(vertex.inputs().begin(), vertex.inputs().end());
  }
  object["name"] = vertex.name();
  AddInterval(vertex, object);
  if (vertex.cached()) {
    object["cached"] = true;
  }
  if (!vertex.error().empty()) {
    object["error"] = vertex.error();
  }
  if (vertex.has_progressgroup()) {
    object["progressGroup"] = {{"id", vertex.progressgroup().id()},
                               {"name", vertex.progressgroup().name()},
                               {"weak", vertex.progressgroup().weak()}};
  }
  return object;
}

ordered_json ToJson(const moby::buildkit::v1::VertexStatus& status) {
  ordered_json object{{"id", status.id()}, {"vertex", status.vertex()}};
  if (!status.name().empty()) {
    object["name"] = status.name();
  }
  if (status.total() != 0) {
    object["total"] = status.total();
  }
  object["current"] = status.current();
  object["timestamp"] = FormatTimestamp(status.timestamp());
  AddInterval(status, object);
  return object;
}

ordered_json ToJson(const moby::buildkit::v1::VertexWarning& warning) {
  ordered_json detail = ordered_json::array();
  for (const std::string& line : warning.detail()) {
    detail.push_back(absl::Base64Escape(line));
  }
  ordered_json object{{"vertex", warning.vertex()},
                      {"level", warning.level()},
                      {"short", absl::Base64Escape(warning.short_())},
                      {"detail", std::move(detail)},
                      {"url", warning.url()}};
  if (warning.has_info()) {
    object["sourceInfo"] = {{"Filename", warning.info().filename()},
                            {"Data", absl::Base64Escape(warning.info().data())}};
  }
  for (const pb::Range& range : warning.ranges()) {
    object["range"].push_back(
        {{"start", {{"line", range.start().line()}, {"character", range.start().character()}}},
         {"end", {{"line", range.end().line()}, {"character", range.end().character()}}}});
  }
  return object;
}

}  // namespace

void RawJsonDisplay::Update(const moby::buildkit::v1::StatusResponse& message) {
  ordered_json object = ordered_json::object();
  for (const auto& vertex : message.vertexes()) {
    object["vertexes"].push_back(ToJson(vertex));
  }
  for (const auto& status : message.statuses()) {
    object["statuses"].push_back(ToJson(status));
  }
  for (const auto& log : message.logs()) {
    object["logs"].push_back({{"vertex", log.vertex()},
                              {"stream", log.stream()},
                              {"data", absl::Base64Escape(log.msg())},
                              {"timestamp", FormatTimestamp(log.timestamp())}});
  }
  for (const auto& warning : message.warnings()) {
    object["warnings"].push_back(ToJson(warning));
  }
  const std::string line =
      object.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  std::fwrite(line.data(), 1, line.size(), out_);
  std::fflush(out_);
}

}  // namespace cairn::client
