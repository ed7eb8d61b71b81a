#include "client/display/plain_display.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/display/text.h"

namespace cairn::client {

void PlainDisplay::Focus(const VertexView& vertex) {
  if (focused_ == vertex.digest) {
    return;
  }
  if (!focused_.empty()) {
    absl::FPrintF(out_, "\n");
  }
  focused_ = vertex.digest;
  Printed& printed = printed_[vertex.digest];
  absl::FPrintF(out_, "#%d %s\n", vertex.number, printed.header ? "..." : vertex.name);
  printed.header = true;
}

void PlainDisplay::PrintVertex(const VertexView& vertex) {
  if (vertex.number == 0) {
    return;
  }
  Printed& printed = printed_[vertex.digest];
  if (!printed.header) {
    Focus(vertex);
  }
  const absl::Time now = absl::Now();
  for (const TaskView& task : vertex.tasks) {
    auto [state, first] = printed.tasks.try_emplace(task.id, false);
    if (first || (task.completed.has_value() && !state->second)) {
      Focus(vertex);
      absl::FPrintF(out_, "#%d %s\n", vertex.number, FormatTask(task, now));
      state->second = task.completed.has_value();
    }
  }
  if (!vertex.completed() || printed.ended) {
    printed.ended = printed.ended && vertex.completed();
    return;
  }
  printed.ended = true;
  Focus(vertex);
  if (!printed.pending.empty()) {
    absl::FPrintF(out_, "#%d %s\n", vertex.number, printed.pending);
    printed.pending.clear();
  }
  if (!vertex.error.empty()) {
    absl::FPrintF(out_, "#%d %s%s\n", vertex.number,
                  absl::EndsWith(vertex.error, "context canceled") ? "CANCELED" : "ERROR: ",
                  absl::EndsWith(vertex.error, "context canceled") ? "" : vertex.error);
  } else if (vertex.cached) {
    absl::FPrintF(out_, "#%d CACHED\n", vertex.number);
  } else {
    absl::FPrintF(out_, "#%d DONE %s\n", vertex.number, FormatSeconds(vertex.elapsed(now)));
  }
}

void PlainDisplay::PrintLogs(const moby::buildkit::v1::StatusResponse& message) {
  for (const auto& log : message.logs()) {
    const VertexView& vertex = model_.vertex(log.vertex());
    Printed& printed = printed_[log.vertex()];
    Focus(vertex);
    double at = 0;
    if (!vertex.intervals.empty()) {
      at = static_cast<double>(log.timestamp().seconds()) + log.timestamp().nanos() / 1e9 -
           absl::ToDoubleSeconds(vertex.intervals.back().started - absl::UnixEpoch());
    }
    printed.pending += log.msg();
    size_t begin = 0;
    for (size_t end = printed.pending.find('\n'); end != std::string::npos;
         end = printed.pending.find('\n', begin)) {
      absl::FPrintF(out_, "#%d %.3f %s\n", vertex.number, std::max(at, 0.0),
                    printed.pending.substr(begin, end - begin));
      begin = end + 1;
    }
    printed.pending.erase(0, begin);
  }
}

void PlainDisplay::Update(const moby::buildkit::v1::StatusResponse& message) {
  const std::vector<std::string> changed = model_.Apply(message);
  PrintLogs(message);
  for (const std::string& digest : changed) {
    PrintVertex(model_.vertex(digest));
  }
  std::fflush(out_);
}

void PlainDisplay::Finish(const Status& result) {
  if (!result.ok()) {
    absl::FPrintF(out_, "%s", FailureReport(model_));
  }
  absl::FPrintF(out_, "%s", WarningReport(model_));
  std::fflush(out_);
}

}  // namespace cairn::client
