#include "daemon/control/status_encoder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/control/timestamps.h"

namespace cairn::control {
namespace {

using moby::buildkit::v1::StatusResponse;

constexpr size_t kMaxLogBytes = 1 << 20;  // in one message

void Encode(const solver::VertexEvent& event, moby::buildkit::v1::Vertex* out) {
  out->set_digest(event.digest.ToString());
  for (const Digest& input : event.inputs) {
    out->add_inputs(input.ToString());
  }
  out->set_name(event.name);
  out->set_cached(event.cached);
  if (event.started.has_value()) {
    EncodeTime(*event.started, out->mutable_started());
  }
  if (event.completed.has_value()) {
    EncodeTime(*event.completed, out->mutable_completed());
  }
  out->set_error(event.error);
  if (event.progress_group.has_value()) {
    *out->mutable_progressgroup() = *event.progress_group;
  }
}

void Encode(const solver::StatusEvent& event, moby::buildkit::v1::VertexStatus* out) {
  out->set_id(event.id);
  out->set_vertex(event.vertex.ToString());
  out->set_name(event.name);
  out->set_current(event.current);
  out->set_total(event.total);
  EncodeTime(event.timestamp, out->mutable_timestamp());
  if (event.started.has_value()) {
    EncodeTime(*event.started, out->mutable_started());
  }
  if (event.completed.has_value()) {
    EncodeTime(*event.completed, out->mutable_completed());
  }
}

void Encode(const solver::LogEvent& event, string_view data, moby::buildkit::v1::VertexLog* out) {
  out->set_vertex(event.vertex.ToString());
  EncodeTime(event.timestamp, out->mutable_timestamp());
  out->set_stream(event.stream);
  out->set_msg(data.data(), data.size());
}

void Encode(const solver::WarningEvent& event, moby::buildkit::v1::VertexWarning* out) {
  out->set_vertex(event.vertex.ToString());
  out->set_level(event.level);
  out->set_short_(event.short_text);
  for (const std::string& detail : event.detail) {
    out->add_detail(detail);
  }
  out->set_url(event.url);
  if (event.info.has_value()) {
    *out->mutable_info() = *event.info;
  }
  for (const pb::Range& range : event.ranges) {
    *out->add_ranges() = range;
  }
}

template <typename Event, typename Less>
std::vector<const Event*> Sorted(const std::vector<Event>& events, Less less) {
  std::vector<const Event*> sorted;
  sorted.reserve(events.size());
  for (const Event& event : events) {
    sorted.push_back(&event);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&less](const Event* a, const Event* b) { return less(*a, *b); });
  return sorted;
}

}  // namespace

std::vector<StatusResponse> EncodeProgress(const solver::ProgressBatch& batch) {
  std::vector<StatusResponse> responses(1);
  const auto vertices = Sorted(batch.vertices, [](const auto& a, const auto& b) {
    return a.started < b.started;  // an absent start is the least
  });
  for (const solver::VertexEvent* event : vertices) {
    Encode(*event, responses.back().add_vertexes());
  }
  const auto by_time = [](const auto& a, const auto& b) { return a.timestamp < b.timestamp; };
  for (const solver::StatusEvent* event : Sorted(batch.statuses, by_time)) {
    Encode(*event, responses.back().add_statuses());
  }
  for (const solver::WarningEvent& event : batch.warnings) {
    Encode(event, responses.back().add_warnings());
  }
  size_t bytes = 0;
  for (const solver::LogEvent* event : Sorted(batch.logs, by_time)) {
    for (string_view data = event->data; !data.empty();) {
      if (bytes >= kMaxLogBytes) {
        responses.emplace_back();
        bytes = 0;
      }
      const string_view piece = data.substr(0, kMaxLogBytes - bytes);
      Encode(*event, piece, responses.back().add_logs());
      bytes += piece.size();
      data.remove_prefix(piece.size());
    }
  }
  return responses;
}

}  // namespace cairn::control
