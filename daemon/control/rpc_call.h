// gRPC calls as blocking functions. A call is answered by a handler on a thread of its own, which
// reads, writes and waits; its CancelToken fires when the client goes away. gRPC's own threads only
// carry events, so hundreds of calls that wait cost nothing there. For the .cc files of this
// module.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "daemon/control/call_threads.h"
#include "daemon/control/errors.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/base/sync.h"

namespace cairn::control {

// What a handler knows of its call besides the request.
struct CallInfo {
  CancelToken cancel;
  std::multimap<std::string, std::string> metadata;  // names in lower case
};

inline CallInfo MakeCallInfo(const grpc::CallbackServerContext& context, CancelToken cancel) {
  CallInfo info{std::move(cancel), {}};
  for (const auto& entry : context.client_metadata()) {
    info.metadata.emplace(std::string(entry.first.data(), entry.first.size()),
                          std::string(entry.second.data(), entry.second.size()));
  }
  return info;
}

// One request, one response.
template <typename Request, typename Response>
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  using Handler = std::function<Status(const CallInfo&, const Request&, Response*)>;

  // The object deletes itself when gRPC is done with it, which is after the handler returned.
  static grpc::ServerUnaryReactor* Start(CallThreads& threads, grpc::CallbackServerContext* context,
                                         const Request* request, Response* response,
                                         Handler handler) {
    auto* call = new UnaryCall;
    const CallInfo info = MakeCallInfo(*context, call->cancel_.token());
    threads.Run([call, info, request, response, handler = std::move(handler)] {
      call->Finish(EncodeError(handler(info, *request, response)));
    });
    return call;
  }

  void OnCancel() override { cancel_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  UnaryCall() = default;
  CancelSource cancel_;
};

// One request, a stream of responses.
template <typename Request, typename Response>
class WriteCall final : public grpc::ServerWriteReactor<Response> {
 public:
  using Handler = std::function<Status(const CallInfo&, const Request&, WriteCall&)>;

  static grpc::ServerWriteReactor<Response>* Start(CallThreads& threads,
                                                   grpc::CallbackServerContext* context,
                                                   const Request* request, Handler handler) {
    auto* call = new WriteCall;
    const CallInfo info = MakeCallInfo(*context, call->cancel_.token());
    threads.Run([call, info, request = *request, handler = std::move(handler)] {
      call->Finish(EncodeError(handler(info, request, *call)));
    });
    return call;
  }

  // Sends the headers, which gRPC otherwise holds back until the first response. At most once.
  void SendHeaders() { this->StartSendInitialMetadata(); }

  // Waits until `response` is on its way. False when the client is gone.
  bool Write(const Response& response) {
    this->StartWrite(&response);
    MutexLock lock(mu_);
    while (!written_) {
      changed_.Wait(mu_);
    }
    written_ = false;
    return good_;
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(mu_);
    written_ = true;
    good_ = ok;
    changed_.NotifyAll();
  }
  void OnCancel() override { cancel_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  WriteCall() = default;
  CancelSource cancel_;
  Mutex mu_;
  CondVar changed_;
  bool written_ ABSL_GUARDED_BY(mu_) = false;
  bool good_ ABSL_GUARDED_BY(mu_) = true;
};

// Streams both ways. One thread reads while another writes.
template <typename Request, typename Response>
class BidiCall final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  using Handler = std::function<Status(const CallInfo&, BidiCall&)>;

  static grpc::ServerBidiReactor<Request, Response>* Start(CallThreads& threads,
                                                           grpc::CallbackServerContext* context,
                                                           Handler handler) {
    auto* call = new BidiCall(context);
    const CallInfo info = MakeCallInfo(*context, call->cancel_.token());
    threads.Run([call, info, handler = std::move(handler)] {
      call->Finish(EncodeError(handler(info, *call)));
    });
    return call;
  }

  void SendHeaders() { this->StartSendInitialMetadata(); }

  // Waits for the next request. False at the end of the stream. From the first Read on, the next
  // ones are received ahead: a handler that is woken for each is slower than many clients.
  bool Read(Request* request) {
    ReadAhead();
    {
      MutexLock lock(mu_);
      while (arrived_.empty() && !read_ended_) {
        changed_.Wait(mu_);
      }
    }
    return ReadArrived(request);
  }

  // The next request if it is here already.
  bool ReadArrived(Request* request) {
    {
      MutexLock lock(mu_);
      if (arrived_.empty()) {
        return false;
      }
      *request = std::move(arrived_.front());
      arrived_.pop_front();
    }
    ReadAhead();
    return true;
  }

  bool Write(const Response& response) {
    this->StartWrite(&response);
    MutexLock lock(mu_);
    while (!written_) {
      changed_.Wait(mu_);
    }
    written_ = false;
    return write_good_;
  }

  // Breaks the call off: Read and Write return false. From any thread, until the handler returns.
  void BreakOff() { context_->TryCancel(); }

  void OnReadDone(bool ok) override {
    {
      MutexLock lock(mu_);
      reading_ = false;
      read_ended_ = !ok;
      if (ok) {
        arrived_.push_back(std::move(arriving_));
      }
      changed_.NotifyAll();
    }
    ReadAhead();
  }
  void OnWriteDone(bool ok) override {
    MutexLock lock(mu_);
    written_ = true;
    write_good_ = ok;
    changed_.NotifyAll();
  }
  void OnCancel() override { cancel_.Cancel(); }
  void OnDone() override { delete this; }

 private:
  static constexpr size_t kMostAhead = 32;

  explicit BidiCall(grpc::CallbackServerContext* context) : context_(context) {}

  // Asks for the next request unless that is under way, or enough of them wait.
  void ReadAhead() {
    {
      MutexLock lock(mu_);
      if (reading_ || read_ended_ || arrived_.size() >= kMostAhead) {
        return;
      }
      reading_ = true;
    }
    arriving_.Clear();
    this->StartRead(&arriving_);
  }

  grpc::CallbackServerContext* const context_;
  CancelSource cancel_;
  Request arriving_;  // gRPC's while reading_
  Mutex mu_;
  CondVar changed_;
  std::deque<Request> arrived_ ABSL_GUARDED_BY(mu_);
  bool reading_ ABSL_GUARDED_BY(mu_) = false;
  bool read_ended_ ABSL_GUARDED_BY(mu_) = false;
  bool written_ ABSL_GUARDED_BY(mu_) = false;
  bool write_good_ ABSL_GUARDED_BY(mu_) = true;
};

}  // namespace cairn::control
