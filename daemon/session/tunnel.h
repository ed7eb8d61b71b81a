// The tunnel: an HTTP/2 connection inside the Session call, on which the daemon is the client.
//
// One end of a socket pair belongs to a gRPC channel; bytes are carried between the other end and
// the call, with flow control from end to end.
#pragma once

#include <memory>

#include "daemon/session/session.h"
#include "runtime/base/duplex_stream.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::session {

struct Tunnel {
  UniqueFd pump_end;
  std::shared_ptr<grpc::Channel> channel;
};

StatusOr<Tunnel> OpenTunnel();

// Moves bytes until `call` or `session` ends; when it returns, the session is closed and
// nothing of the pumps runs any more. Uses the calling thread and one more.
void PumpTunnel(int pump_end, Session& session, DuplexStream& call);

}  // namespace cairn::session
