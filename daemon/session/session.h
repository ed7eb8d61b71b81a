// One client's session: a gRPC channel on which the client is the server.
//
// A session is registered when the client's Session call opens and ends when that call ends, the
// client fails its health checks or the daemon closes it. Builds hold a session through a
// shared_ptr, as several builds and the tunnel use one at the same time; calls made after the end
// fail with kUnavailable. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace cairn::session {

// What the client said when it opened the session.
struct SessionInfo {
  std::string id;
  std::string name;
  std::string shared_key;
  std::vector<std::string> methods;  // "/package.Service/Method", lower case
  // Replaces interval and time limit of the health checks, and makes the first failure the last.
  std::optional<absl::Duration> health_timeout;

  // Reads the headers of a Session call. Names are lower case, as HTTP/2 has them. Without an id
  // kInvalidArgument.
  static StatusOr<SessionInfo> FromHeaders(const std::multimap<std::string, std::string>& headers);
};

class Session {
 public:
  Session(SessionInfo info, std::shared_ptr<grpc::Channel> channel);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const SessionInfo& info() const { return info_; }
  const std::string& id() const { return info_.id; }

  // Whether the client serves `method` ("/package.Service/Method", in any case).
  bool Supports(string_view method) const;

  // Fires when the session has ended.
  const CancelToken& closed() const { return closed_token_; }

  // Ends the session; running calls fail. The first reason is kept.
  void Close(string_view reason);

  // The channel to the client, for this module's typed clients.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  const SessionInfo info_;
  const std::shared_ptr<grpc::Channel> channel_;
  CancelSource closed_;
  const CancelToken closed_token_;
};

}  // namespace cairn::session
