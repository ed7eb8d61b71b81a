// One RPC to a client: its context, cancelled with the build and with the session. For the .cc
// files of this module only.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::session {

// Messages to a client stay below this size: its server takes 4 MiB (grpc-go's default).
constexpr size_t kMaxMessageBytes = 3 << 20;

// Used by one thread; lives as long as the RPC.
class Call {
 public:
  Call(const Session& session, const CancelToken& cancel,
       absl::Duration timeout = absl::InfiniteDuration());

  grpc::ClientContext* context() { return &context_; }

  // Adds request metadata `key` with each of `values`. When one holds a byte that a header cannot,
  // all of them are URL-query-escaped and "<key>-encoded: 1" says so.
  void AddMetadata(const std::string& key, const std::vector<std::string>& values);
  void AddMetadata(const std::string& key, const std::string& value);

  // Breaks the RPC off, from any thread.
  void Cancel() { context_.TryCancel(); }

  // What the RPC's outcome means here: the build's own cancellation first, then kUnavailable when
  // the session ended, then the client's code, message and details.
  Status Finish(const grpc::Status& outcome) const;

 private:
  const Session& session_;
  const CancelToken cancel_;
  grpc::ClientContext context_;
  CancelCallback on_cancel_;
  CancelCallback on_closed_;
};

}  // namespace cairn::session
