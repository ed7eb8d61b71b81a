#include "daemon/session/health_monitor.h"

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <algorithm>
#include <list>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/session/call.h"
#include "proto/health.grpc.pb.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::session {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One check under way.
struct Check {
  Check(const Session& session, absl::Duration timeout) : call(session, CancelToken(), timeout) {}
  Call call;
  HealthCheckResponse response;
  grpc::Status outcome;
  absl::Time started = absl::Now();
  std::unique_ptr<Health::Stub> stub;
  std::unique_ptr<grpc::ClientAsyncResponseReader<HealthCheckResponse>> reader;
};

struct Watched {
  std::shared_ptr<Session> session;
  HealthPolicy policy;
  absl::Time due;
  absl::Duration last_duration;
  int failures = 0;
  std::unique_ptr<Check> check;  // set while one is under way
};

}  // namespace

// The thread and what it owns. Other threads only fill the mailbox and wake it.
class HealthMonitor::Loop {
 public:
  Loop(HealthPolicy policy, Logger& log) : policy_(policy), log_(log) {
    thread_ = StartThread("session-health", [this] { Run(); });
  }

  ~Loop() {
    {
      MutexLock lock(mu_);
      stopping_ = true;
      WakeLocked();
    }
    thread_.join();
  }

  void Post(std::shared_ptr<Session> session) {
    MutexLock lock(mu_);
    if (session != nullptr) {
      mailbox_.push_back(std::move(session));
    }
    WakeLocked();
  }

 private:
  void WakeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!wake_pending_) {
      wake_pending_ = true;
      alarm_.Set(&queue_, std::chrono::system_clock::now(), nullptr);
    }
  }

  void Run() {
    while (true) {
      absl::Time next = absl::InfiniteFuture();
      for (const Watched& watched : watched_) {
        if (watched.check == nullptr) {
          next = std::min(next, watched.due);
        }
      }
      void* tag = nullptr;
      bool ok = false;
      const auto event = queue_.AsyncNext(&tag, &ok, Deadline(next));
      if (event == grpc::CompletionQueue::SHUTDOWN) {
        return;
      }
      if (event == grpc::CompletionQueue::GOT_EVENT && tag != nullptr) {
        FinishCheck(*static_cast<Watched*>(tag));
      }
      const bool woken = event == grpc::CompletionQueue::GOT_EVENT && tag == nullptr;
      if (TakeMailbox(woken)) {
        Stop();
        return;
      }
      Advance();
    }
  }

  static std::chrono::system_clock::time_point Deadline(absl::Time time) {
    return time == absl::InfiniteFuture() ? std::chrono::system_clock::time_point::max()
                                          : absl::ToChronoTime(time);
  }

  // Returns whether to stop.
  bool TakeMailbox(bool woken) {
    std::vector<std::shared_ptr<Session>> added;
    bool stopping = false;
    {
      MutexLock lock(mu_);
      if (woken) {
        wake_pending_ = false;
      }
      added.swap(mailbox_);
      stopping = stopping_;
    }
    for (std::shared_ptr<Session>& session : added) {
      Watched watched;
      watched.policy = policy_;
      if (session->info().health_timeout.has_value()) {
        watched.policy = {*session->info().health_timeout, *session->info().health_timeout, 1};
      }
      watched.due = absl::Now() + watched.policy.interval;
      watched.session = std::move(session);
      watched_.push_back(std::move(watched));
    }
    return stopping;
  }

  void Advance() {
    const absl::Time now = absl::Now();
    for (auto it = watched_.begin(); it != watched_.end();) {
      if (it->check == nullptr && it->session->closed().cancelled()) {
        it = watched_.erase(it);
        continue;
      }
      if (it->check == nullptr && it->due <= now) {
        StartCheck(*it);
      }
      ++it;
    }
  }

  void StartCheck(Watched& watched) {
    const absl::Duration timeout =
        std::max(watched.policy.min_timeout, 1.5 * watched.last_duration);
    watched.check = std::make_unique<Check>(*watched.session, timeout);
    Check& check = *watched.check;
    check.stub = Health::NewStub(watched.session->channel());
    check.reader = check.stub->AsyncCheck(check.call.context(), HealthCheckRequest(), &queue_);
    check.reader->Finish(&check.response, &check.outcome, &watched);
  }

  void FinishCheck(Watched& watched) {
    const std::unique_ptr<Check> check = std::move(watched.check);
    const absl::Time now = absl::Now();
    watched.last_duration = now - check->started;
    watched.due = now + watched.policy.interval;
    if (check->outcome.ok()) {
      watched.failures = 0;
      return;
    }
    if (watched.session->closed().cancelled()) {
      return;
    }
    ++watched.failures;
    log_.Warn("session health check failed", {{"session", watched.session->id()},
                                              {"failures", watched.failures},
                                              {"error", check->outcome.error_message()}});
    if (watched.failures >= watched.policy.max_failures) {
      watched.session->Close("the client no longer answers health checks");
    }
  }

  void Stop() {
    for (Watched& watched : watched_) {
      if (watched.check != nullptr) {
        watched.check->call.Cancel();
      }
    }
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  const HealthPolicy policy_;
  Logger& log_;
  grpc::CompletionQueue queue_;
  std::list<Watched> watched_;  // the thread's own; addresses are the queue's tags

  Mutex mu_;
  std::vector<std::shared_ptr<Session>> mailbox_ ABSL_GUARDED_BY(mu_);
  grpc::Alarm alarm_ ABSL_GUARDED_BY(mu_);
  bool wake_pending_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

HealthMonitor::HealthMonitor(HealthPolicy policy, Logger& log)
    : loop_(std::make_unique<Loop>(policy, log)) {}

HealthMonitor::~HealthMonitor() = default;

void HealthMonitor::Watch(std::shared_ptr<Session> session) { loop_->Post(std::move(session)); }

void HealthMonitor::Sweep() { loop_->Post(nullptr); }

}  // namespace cairn::session
