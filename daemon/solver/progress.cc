#include "daemon/solver/progress.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace cairn::solver {
namespace {

// How long a reader that has something waits for more, so that a busy build makes few messages.
constexpr absl::Duration kGather = absl::Milliseconds(10);
// A batch ends when its logs reach this many bytes.
constexpr size_t kMaxBatchLogBytes = 1 << 20;

using Event = std::variant<VertexEvent, StatusEvent, LogEvent, WarningEvent>;

// What replaces what: a vertex's announcement and each of its intervals, and each of its statuses.
std::string KeyOf(const VertexEvent& event) {
  return absl::StrCat("v", event.digest.raw(),
                      event.started ? absl::StrCat(absl::ToUnixNanos(*event.started)) : "");
}

std::string KeyOf(const StatusEvent& event) {
  return absl::StrCat("s", event.vertex.raw(), event.id);
}

}  // namespace

// Every event that is still of interest, in the order in which it was last written. A reader
// remembers how far it has read, so an event written again moves to the end and is delivered again,
// and one written twice between two reads is delivered once.
struct ProgressLog::State {
  mutable Mutex mu;
  CondVar changed;
  bool closed ABSL_GUARDED_BY(mu) = false;
  uint64_t last_sequence ABSL_GUARDED_BY(mu) = 0;
  std::map<uint64_t, Event> events ABSL_GUARDED_BY(mu);
  absl::flat_hash_map<std::string, uint64_t> sequence_of ABSL_GUARDED_BY(mu);
  // The latest event of each vertex.
  absl::flat_hash_map<Digest, VertexEvent> vertices ABSL_GUARDED_BY(mu);
  int warnings ABSL_GUARDED_BY(mu) = 0;

  void Append(Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    events.emplace(++last_sequence, std::move(event));
  }

  template <typename T>
  void Replace(const T& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    uint64_t& sequence = sequence_of[KeyOf(event)];
    if (sequence != 0) {
      events.erase(sequence);
    }
    Append(event);
    sequence = last_sequence;
  }

  void Put(const VertexEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    Replace(event);
    vertices.insert_or_assign(event.digest, event);
  }

  // A vertex that starts needs no work on its inputs any more: those that never ran were cached.
  void MarkInputsCached(const VertexEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    std::vector<Digest> pending = event.inputs;
    std::vector<VertexEvent> cached;
    absl::flat_hash_set<Digest> seen;
    while (!pending.empty()) {
      const Digest digest = pending.back();
      pending.pop_back();
      const auto found = vertices.find(digest);
      if (found == vertices.end() || found->second.started || !seen.insert(digest).second) {
        continue;
      }
      VertexEvent input = found->second;
      input.cached = true;
      input.started = event.started;
      input.completed = event.started;
      pending.insert(pending.end(), input.inputs.begin(), input.inputs.end());
      cached.push_back(std::move(input));
    }
    for (auto it = cached.rbegin(); it != cached.rend(); ++it) {
      Put(*it);
    }
  }

  // Copies what lies behind `position` into `batch` and moves it there.
  void Read(uint64_t& position, ProgressBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
    size_t log_bytes = 0;
    for (auto it = events.upper_bound(position); it != events.end(); ++it) {
      if (const auto* vertex = std::get_if<VertexEvent>(&it->second)) {
        batch.vertices.push_back(*vertex);
      } else if (const auto* status = std::get_if<StatusEvent>(&it->second)) {
        batch.statuses.push_back(*status);
      } else if (const auto* log = std::get_if<LogEvent>(&it->second)) {
        batch.logs.push_back(*log);
        log_bytes += log->data.size();
      } else {
        batch.warnings.push_back(std::get<WarningEvent>(it->second));
      }
      position = it->first;
      if (log_bytes >= kMaxBatchLogBytes) {
        break;
      }
    }
  }
};

namespace {

// Vertices by start (those that have not started first), the rest by time.
void Sort(ProgressBatch& batch) {
  std::stable_sort(
      batch.vertices.begin(), batch.vertices.end(), [](const VertexEvent& a, const VertexEvent& b) {
        return a.started.value_or(absl::InfinitePast()) < b.started.value_or(absl::InfinitePast());
      });
  const auto by_time = [](const auto& a, const auto& b) { return a.timestamp < b.timestamp; };
  std::stable_sort(batch.statuses.begin(), batch.statuses.end(), by_time);
  std::stable_sort(batch.logs.begin(), batch.logs.end(), by_time);
}

}  // namespace

class ProgressLog::Reader final : public Subscription {
 public:
  explicit Reader(State& state) : state_(state) {}

  StatusOr<ProgressBatch> Next(const CancelToken& cancel) override {
    const CancelCallback wake(cancel, [this] {
      MutexLock lock(state_.mu);
      state_.changed.NotifyAll();
    });
    ProgressBatch batch;
    {
      MutexLock lock(state_.mu);
      while (!state_.closed && position_ == state_.last_sequence && !cancel.cancelled()) {
        state_.changed.Wait(state_.mu);
      }
      const absl::Time deadline = absl::Now() + kGather;
      while (!state_.closed && !cancel.cancelled()) {
        const absl::Duration left = deadline - absl::Now();
        if (left <= absl::ZeroDuration() || !state_.changed.WaitFor(state_.mu, left)) {
          break;
        }
      }
      RETURN_IF_ERROR(cancel.Check());
      state_.Read(position_, batch);
    }
    Sort(batch);
    return batch;
  }

 private:
  State& state_;
  uint64_t position_ = 0;
};

ProgressLog::ProgressLog(const Clock& clock) : clock_(clock), state_(std::make_unique<State>()) {}

ProgressLog::~ProgressLog() = default;

void ProgressLog::Write(VertexEvent event) {
  MutexLock lock(state_->mu);
  if (state_->closed) {
    return;
  }
  if (event.started) {
    state_->MarkInputsCached(event);
  } else if (state_->vertices.contains(event.digest)) {
    return;  // announced before, by another graph of the build
  }
  state_->Put(event);
  state_->changed.NotifyAll();
}

void ProgressLog::Write(StatusEvent event) {
  MutexLock lock(state_->mu);
  if (!state_->closed) {
    state_->Replace(event);
    state_->changed.NotifyAll();
  }
}

void ProgressLog::Write(LogEvent event) {
  MutexLock lock(state_->mu);
  if (!state_->closed && !event.data.empty()) {
    state_->Append(std::move(event));
    state_->changed.NotifyAll();
  }
}

void ProgressLog::Write(WarningEvent event) {
  MutexLock lock(state_->mu);
  if (!state_->closed) {
    ++state_->warnings;
    state_->Append(std::move(event));
    state_->changed.NotifyAll();
  }
}

void ProgressLog::Close() {
  const absl::Time now = clock_.Now();
  MutexLock lock(state_->mu);
  if (state_->closed) {
    return;
  }
  std::vector<VertexEvent> open;
  for (const auto& [digest, vertex] : state_->vertices) {
    if (vertex.started && !vertex.completed) {
      open.push_back(vertex);
    }
  }
  for (VertexEvent& vertex : open) {
    vertex.completed = now;
    vertex.error = "context canceled";
    state_->Put(vertex);
  }
  state_->closed = true;
  state_->changed.NotifyAll();
}

std::unique_ptr<ProgressLog::Subscription> ProgressLog::Subscribe() {
  return std::make_unique<Reader>(*state_);
}

ProgressLog::Counts ProgressLog::counts() const {
  MutexLock lock(state_->mu);
  Counts counts;
  counts.total = static_cast<int>(state_->vertices.size());
  for (const auto& [digest, vertex] : state_->vertices) {
    counts.completed += vertex.completed ? 1 : 0;
    counts.cached += vertex.cached ? 1 : 0;
  }
  counts.warnings = state_->warnings;
  return counts;
}

}  // namespace cairn::solver
