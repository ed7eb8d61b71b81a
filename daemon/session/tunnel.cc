#include "daemon/session/tunnel.h"

#include <errno.h>
#include <grpc/grpc.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/support/channel_arguments.h>
#include <sys/socket.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/base/thread_pool.h"

namespace cairn::session {
namespace {

constexpr size_t kPumpBytes = 32 << 10;
constexpr int kSocketBytes = 1 << 20;
constexpr int kMaxReceiveBytes = 16 << 20;
// Error trailers from Go hold JSON stacks and the Dockerfile.
constexpr int kMaxMetadataBytes = 4 << 20;
constexpr int kLookaheadBytes = 4 << 20;
constexpr int kFrameBytes = 1 << 20;

bool SendAll(int fd, string_view data) {
  while (!data.empty()) {
    const ssize_t sent = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent <= 0) {
      return false;
    }
    data.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void PumpOut(int fd, ByteStream& stream) {
  std::vector<char> buffer(kPumpBytes);
  while (true) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0 || !stream.Write(string_view(buffer.data(), static_cast<size_t>(got)))) {
      return;
    }
  }
}

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

void PumpTunnel(int pump_end, Session& session, ByteStream& stream) {
  std::atomic<bool> stream_ended{false};
  CancelCallback on_closed(session.closed(), [pump_end, &stream, &stream_ended] {
    shutdown(pump_end, SHUT_RDWR);
    // After an orderly end the call may still end with OK, so it is not broken off.
    if (!stream_ended.load()) {
      stream.Close();
    }
  });
  std::thread outbound = StartThread("session-out", [pump_end, &session, &stream] {
    PumpOut(pump_end, stream);
    session.Close("connection to the client lost");
  });
  std::string chunk;
  while (stream.Read(&chunk)) {
    if (!SendAll(pump_end, chunk)) {
      break;
    }
  }
  stream_ended.store(true);
  session.Close("the client disconnected");
  outbound.join();
}

}  // namespace cairn::session
