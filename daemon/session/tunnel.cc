#include "daemon/session/tunnel.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/support/channel_arguments.h>
#include <sys/socket.h>

#include <atomic>
#include <string>
#include <utility>

#include "runtime/base/byte_tunnel.h"

namespace cairn::session {
namespace {

constexpr int kSocketBytes = 1 << 20;
constexpr int kMaxReceiveBytes = 16 << 20;
// Error trailers from Go hold JSON stacks and the Dockerfile.
constexpr int kMaxMetadataBytes = 4 << 20;
constexpr int kLookaheadBytes = 4 << 20;
constexpr int kFrameBytes = 1 << 20;

// The stream of one session: whichever side ends it ends the session.
class SessionStream final : public DuplexStream {
 public:
  SessionStream(Session& session, DuplexStream& call) : session_(session), call_(call) {}

  Incoming Read(std::string* chunk) override {
    const Incoming incoming = call_.Read(chunk);
    if (incoming == Incoming::kData) {
      return incoming;
    }
    ended_.store(true);
    session_.Close("the client disconnected");
    return Incoming::kBroken;
  }
  bool Write(string_view data) override { return call_.Write(data); }
  void EndWrites() override { Close(); }
  void Close() override { session_.Close("connection to the client lost"); }

  // After an orderly end the call may still end with OK, so it is not broken off.
  void BreakOff() {
    if (!ended_.load()) {
      call_.Close();
    }
  }

 private:
  Session& session_;
  DuplexStream& call_;
  std::atomic<bool> ended_{false};
};

}  // namespace

StatusOr<Tunnel> OpenTunnel() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    return ErrnoStatus(errno, "make a socket pair for a session");
  }
  Tunnel tunnel;
  tunnel.pump_end = UniqueFd(fds[0]);
  for (const int fd : fds) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSocketBytes, sizeof kSocketBytes);
  }
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  arguments.SetMaxSendMessageSize(kMaxReceiveBytes);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, kFrameBytes);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  // gRPC owns fds[1] from here on.
  tunnel.channel = grpc::CreateCustomInsecureChannelFromFd("localhost", fds[1], arguments);
  return tunnel;
}

void PumpTunnel(int pump_end, Session& session, DuplexStream& call) {
  SessionStream stream(session, call);
  CancelCallback on_closed(session.closed(), [pump_end, &stream] {
    shutdown(pump_end, SHUT_RDWR);
    stream.BreakOff();
  });
  CarryBytes(pump_end, stream);
}

}  // namespace cairn::session
