#include "runtime/base/cancel.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "runtime/base/sync.h"

namespace cairn {
namespace internal {

struct CancelState {
  std::atomic<bool> fired = false;
  Mutex mu;
  CondVar changed;
  std::string reason ABSL_GUARDED_BY(mu);
  uint64_t next_id ABSL_GUARDED_BY(mu) = 1;
  std::map<uint64_t, std::function<void()>> callbacks ABSL_GUARDED_BY(mu);
  // The callback that Cancel is running now, and on which thread, so that ~CancelCallback can wait.
  uint64_t running_id ABSL_GUARDED_BY(mu) = 0;
  std::thread::id running_thread ABSL_GUARDED_BY(mu);
};

}  // namespace internal

CancelToken::CancelToken(std::shared_ptr<internal::CancelState> state) : state_(std::move(state)) {}

bool CancelToken::cancelled() const {
  return state_ != nullptr && state_->fired.load(std::memory_order_acquire);
}

Status CancelToken::Check() const {
  if (!cancelled()) {
    return absl::OkStatus();
  }
  MutexLock lock(state_->mu);
  return absl::CancelledError(state_->reason);
}

bool CancelToken::WaitFor(absl::Duration timeout) const {
  static const auto* const never =
      new std::shared_ptr<internal::CancelState>(std::make_shared<internal::CancelState>());
  internal::CancelState& state = state_ != nullptr ? *state_ : **never;
  const absl::Time deadline = absl::Now() + timeout;
  MutexLock lock(state.mu);
  while (!state.fired.load(std::memory_order_acquire)) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return false;
    }
    state.changed.WaitFor(state.mu, left);
  }
  return true;
}

CancelSource::CancelSource() : state_(std::make_shared<internal::CancelState>()) {}

CancelSource::CancelSource(const CancelToken& parent) : CancelSource() {
  parent_link_ = std::make_unique<CancelCallback>(
      parent, [this, parent] { Cancel(parent.Check().message()); });
}

CancelSource::~CancelSource() = default;

CancelToken CancelSource::token() const { return CancelToken(state_); }

void CancelSource::Cancel(string_view reason) {
  // The state outlives the source if a callback lets go of the last owner.
  const std::shared_ptr<internal::CancelState> state = state_;
  {
    MutexLock lock(state->mu);
    if (state->fired.load(std::memory_order_acquire)) {
      return;
    }
    state->reason = std::string(reason);
    state->fired.store(true, std::memory_order_release);
    state->running_thread = std::this_thread::get_id();
    state->changed.NotifyAll();
  }
  for (;;) {
    std::function<void()> callback;
    {
      MutexLock lock(state->mu);
      state->running_id = 0;
      state->changed.NotifyAll();
      if (state->callbacks.empty()) {
        return;
      }
      auto first = state->callbacks.begin();
      state->running_id = first->first;
      callback = std::move(first->second);
      state->callbacks.erase(first);
    }
    callback();
  }
}

CancelCallback::CancelCallback(const CancelToken& token, std::function<void()> callback)
    : state_(token.state_) {
  if (state_ == nullptr) {
    return;
  }
  {
    MutexLock lock(state_->mu);
    if (!state_->fired.load(std::memory_order_acquire)) {
      id_ = state_->next_id++;
      state_->callbacks.emplace(id_, std::move(callback));
      return;
    }
  }
  callback();
}

CancelCallback::~CancelCallback() {
  if (state_ == nullptr || id_ == 0) {
    return;
  }
  MutexLock lock(state_->mu);
  if (state_->callbacks.erase(id_) > 0) {
    return;
  }
  while (state_->running_id == id_ && state_->running_thread != std::this_thread::get_id()) {
    state_->changed.Wait(state_->mu);
  }
}

}  // namespace cairn
