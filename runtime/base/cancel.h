// Cancellation: a CancelSource is fired once; every CancelToken made from it sees that.
//
// Tokens are cheap values (a shared pointer) and thread-safe. A default token never fires. Sources
// may be chained: a source made from a parent token fires when the parent does.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "runtime/base/status.h"

namespace cairn {

namespace internal {
struct CancelState;
}  // namespace internal

class CancelToken {
 public:
  CancelToken() = default;

  bool cancelled() const;

  // OK, or the kCancelled status that Cancel was called with.
  Status Check() const;

  // Waits until the token fires or `timeout` passes; returns cancelled(). A token that can never
  // fire waits the whole timeout.
  bool WaitFor(absl::Duration timeout) const;

 private:
  friend class CancelSource;
  friend class CancelCallback;
  explicit CancelToken(std::shared_ptr<internal::CancelState> state);
  std::shared_ptr<internal::CancelState> state_;
};

class CancelSource {
 public:
  CancelSource();
  // Fires also when `parent` fires.
  explicit CancelSource(const CancelToken& parent);
  ~CancelSource();
  CancelSource(const CancelSource&) = delete;
  CancelSource& operator=(const CancelSource&) = delete;

  CancelToken token() const;

  // Fires the source with kCancelled and `reason`. Callbacks run on the calling thread before
  // Cancel returns. Later calls do nothing.
  void Cancel(string_view reason = "context canceled");

 private:
  std::shared_ptr<internal::CancelState> state_;
  std::unique_ptr<class CancelCallback> parent_link_;
};

// Runs `callback` once when the token fires, at construction if it has fired already. After the
// destructor returns the callback is not running and will not run. The callback must not destroy
// its own CancelCallback and must be quick: shut down an fd, kill a process, post to a mailbox.
class CancelCallback {
 public:
  CancelCallback(const CancelToken& token, std::function<void()> callback);
  ~CancelCallback();
  CancelCallback(const CancelCallback&) = delete;
  CancelCallback& operator=(const CancelCallback&) = delete;

 private:
  std::shared_ptr<internal::CancelState> state_;
  uint64_t id_ = 0;
};

}  // namespace cairn
