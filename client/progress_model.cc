#include "client/progress_model.h"

#include <algorithm>
#include <set>

namespace cairn::client {
namespace {

constexpr size_t kKeptLines = 512;

absl::Time ToTime(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

// Opens or closes the interval that `started` names.
void SetInterval(VertexView& vertex, absl::Time started, std::optional<absl::Time> completed) {
  for (VertexView::Interval& interval : vertex.intervals) {
    if (interval.started == started) {
      if (completed.has_value()) {
        interval.completed = completed;
      }
      return;
    }
  }
  vertex.intervals.push_back({started, completed});
}

void AppendLog(VertexView& vertex, const std::string& data) {
  vertex.unfinished_line += data;
  size_t begin = 0;
  for (size_t end = vertex.unfinished_line.find('\n'); end != std::string::npos;
       end = vertex.unfinished_line.find('\n', begin)) {
    vertex.tail.push_back(vertex.unfinished_line.substr(begin, end - begin));
    if (vertex.tail.size() > kKeptLines) {
      vertex.tail.pop_front();
    }
    begin = end + 1;
  }
  vertex.unfinished_line.erase(0, begin);
}

}  // namespace

bool VertexView::running() const { return !intervals.empty() && !intervals.back().completed; }

bool VertexView::completed() const {
  return !intervals.empty() && intervals.back().completed.has_value();
}

absl::Duration VertexView::elapsed(absl::Time now) const {
  absl::Duration sum = absl::ZeroDuration();
  for (const Interval& interval : intervals) {
    sum += interval.completed.value_or(now) - interval.started;
  }
  return std::max(sum, absl::ZeroDuration());
}

std::vector<std::string> ProgressModel::Apply(const moby::buildkit::v1::StatusResponse& message) {
  std::vector<std::string> changed;
  std::set<std::string> seen;
  auto touch = [&](const std::string& digest) -> VertexView& {
    if (seen.insert(digest).second) {
      changed.push_back(digest);
    }
    VertexView& vertex = vertices_[digest];
    vertex.digest = digest;
    return vertex;
  };
  for (const auto& event : message.vertexes()) {
    VertexView& vertex = touch(event.digest());
    vertex.name = event.name();
    vertex.cached = event.cached();
    vertex.error = event.error();
    if (event.has_started()) {
      if (vertex.number == 0) {
        order_.push_back(event.digest());
        vertex.number = static_cast<int>(order_.size());
      }
      SetInterval(vertex, ToTime(event.started()),
                  event.has_completed() ? std::optional(ToTime(event.completed())) : std::nullopt);
    }
  }
  for (const auto& event : message.statuses()) {
    VertexView& vertex = touch(event.vertex());
    auto task = std::find_if(vertex.tasks.begin(), vertex.tasks.end(),
                             [&](const TaskView& t) { return t.id == event.id(); });
    if (task == vertex.tasks.end()) {
      task = vertex.tasks.insert(vertex.tasks.end(), TaskView{.id = event.id()});
    }
    task->name = event.name();
    task->current = event.current();
    task->total = event.total();
    if (event.has_started()) {
      task->started = ToTime(event.started());
    }
    if (event.has_completed()) {
      task->completed = ToTime(event.completed());
    }
  }
  for (const auto& event : message.logs()) {
    AppendLog(touch(event.vertex()), event.msg());
  }
  warnings_.insert(warnings_.end(), message.warnings().begin(), message.warnings().end());
  return changed;
}

int ProgressModel::completed() const {
  return static_cast<int>(std::count_if(vertices_.begin(), vertices_.end(), [](const auto& entry) {
    return entry.second.completed();
  }));
}

}  // namespace cairn::client
