#include "daemon/solver/vertex_progress.h"

#include <algorithm>
#include <utility>

namespace cairn::solver {
namespace {

// Events are kept without an identity of their own; each listener's is filled in.
const Digest& NoDigest() {
  static const Digest kNone{Digest::Bytes{}};
  return kNone;
}

VertexEvent As(const VertexEvent& identity, const VertexEvent& interval) {
  VertexEvent event = identity;
  event.started = interval.started;
  event.completed = interval.completed;
  event.cached = interval.cached;
  event.error = interval.error;
  return event;
}

template <typename T>
T For(const VertexEvent& identity, T event) {
  event.vertex = identity.digest;
  return event;
}

}  // namespace

void VertexProgress::AddListener(std::shared_ptr<ProgressLog> log, VertexEvent vertex) {
  MutexLock lock(mu_);
  Add({.log = std::move(log), .vertex = std::move(vertex)});
}

void VertexProgress::Add(const Listener& listener) {
  for (const Listener& known : listeners_) {
    if (known.log == listener.log && known.vertex.digest == listener.vertex.digest) {
      return;
    }
  }
  listeners_.push_back(listener);
  for (const VertexEvent& interval : intervals_) {
    listener.log->Write(As(listener.vertex, interval));
  }
  for (const auto& [id, status] : statuses_) {
    listener.log->Write(For(listener.vertex, status));
  }
  for (const LogEvent& log : logs_) {
    listener.log->Write(For(listener.vertex, log));
  }
  for (const WarningEvent& warning : warnings_) {
    listener.log->Write(For(listener.vertex, warning));
  }
}

void VertexProgress::RemoveListener(const ProgressLog* log) {
  MutexLock lock(mu_);
  listeners_.erase(std::remove_if(listeners_.begin(), listeners_.end(),
                                  [log](const Listener& known) { return known.log.get() == log; }),
                   listeners_.end());
}

void VertexProgress::AddListenersOf(const VertexProgress& follower) {
  std::vector<Listener> listeners;
  {
    MutexLock lock(follower.mu_);
    listeners = follower.listeners_;
  }
  MutexLock lock(mu_);
  for (Listener& listener : listeners) {
    listener.follows = true;
    Add(listener);
  }
}

void VertexProgress::ReleaseFollowers() {
  const absl::Time now = clock_.Now();
  MutexLock lock(mu_);
  for (const Listener& listener : listeners_) {
    if (listener.follows && started_) {
      VertexEvent event = listener.vertex;
      event.started = started_;
      event.completed = now;
      listener.log->Write(event);
    }
  }
  listeners_.erase(std::remove_if(listeners_.begin(), listeners_.end(),
                                  [](const Listener& listener) { return listener.follows; }),
                   listeners_.end());
}

void VertexProgress::ForgetJournal() {
  MutexLock lock(mu_);
  intervals_.clear();
  statuses_.clear();
  logs_.clear();
  warnings_.clear();
}

void VertexProgress::TellVertex(const VertexEvent& event) {
  if (!intervals_.empty() && intervals_.back().started == event.started) {
    intervals_.back() = event;
  } else {
    intervals_.push_back(event);
  }
  for (const Listener& listener : listeners_) {
    listener.log->Write(As(listener.vertex, event));
  }
}

void VertexProgress::Start() {
  const absl::Time now = clock_.Now();
  MutexLock lock(mu_);
  if (started_) {
    return;
  }
  started_ = now;
  VertexEvent event{.digest = NoDigest()};
  event.started = now;
  TellVertex(event);
}

void VertexProgress::Finish(const std::string& error) {
  const absl::Time now = clock_.Now();
  MutexLock lock(mu_);
  if (!started_ && error.empty()) {
    return;
  }
  for (auto& [stream, clipper] : clippers_) {
    std::string tail = clipper.TakeTail();
    if (!error.empty() && !tail.empty()) {
      TellLog(stream, std::move(tail), now);
    }
  }
  clippers_.clear();
  for (auto& [id, status] : statuses_) {
    if (status.completed) {
      continue;
    }
    status.completed = now;
    status.timestamp = now;
    for (const Listener& listener : listeners_) {
      listener.log->Write(For(listener.vertex, status));
    }
  }
  VertexEvent event{.digest = NoDigest()};
  event.started = started_.value_or(now);
  event.completed = now;
  event.error = error;
  started_.reset();
  TellVertex(event);
}

void VertexProgress::FinishCached() {
  const absl::Time now = clock_.Now();
  MutexLock lock(mu_);
  VertexEvent event{.digest = NoDigest()};
  event.started = started_.value_or(now);
  event.completed = now;
  event.cached = true;
  started_.reset();
  TellVertex(event);
}

void VertexProgress::Status(StatusEvent event) {
  event.timestamp = clock_.Now();
  MutexLock lock(mu_);
  if (!event.started) {
    const auto known = statuses_.find(event.id);
    event.started = known == statuses_.end() ? event.timestamp : known->second.started;
  }
  statuses_.insert_or_assign(event.id, event);
  for (const Listener& listener : listeners_) {
    listener.log->Write(For(listener.vertex, event));
  }
}

void VertexProgress::Log(int stream, string_view data) {
  const absl::Time now = clock_.Now();
  MutexLock lock(mu_);
  LogClipper& clipper =
      clippers_.try_emplace(stream, limits_, started_.value_or(now)).first->second;
  std::string clipped = clipper.Clip(data, now);
  if (!clipped.empty()) {
    TellLog(stream, std::move(clipped), now);
  }
}

void VertexProgress::TellLog(int stream, std::string data, absl::Time now) {
  LogEvent event{.vertex = NoDigest(), .timestamp = now, .stream = stream};
  event.data = std::move(data);
  for (const Listener& listener : listeners_) {
    listener.log->Write(For(listener.vertex, event));
  }
  logs_.push_back(std::move(event));
}

void VertexProgress::Warn(WarningEvent warning) {
  MutexLock lock(mu_);
  for (const Listener& listener : listeners_) {
    listener.log->Write(For(listener.vertex, warning));
  }
  warnings_.push_back(std::move(warning));
}

}  // namespace cairn::solver
