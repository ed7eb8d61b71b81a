#include "runtime/base/byte_tunnel.h"

#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <thread>

#include "runtime/base/thread_pool.h"

namespace cairn {
namespace {

// Contexts come through here: each message costs as much as some ten KiB of it.
constexpr size_t kChunk = 256 << 10;

bool SendAll(int socket, string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(socket, data.data(), data.size(), MSG_NOSIGNAL);
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

void SocketToStream(int socket, DuplexStream& stream) {
  std::string buffer(kChunk, '\0');
  for (;;) {
    const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0 || !stream.Write(string_view(buffer.data(), static_cast<size_t>(got)))) {
      break;
    }
  }
  stream.EndWrites();
}

void StreamToSocket(DuplexStream& stream, int socket) {
  std::string data;
  for (;;) {
    switch (stream.Read(&data)) {
      case DuplexStream::Incoming::kData:
        if (!SendAll(socket, data)) {
          stream.Close();
          ::shutdown(socket, SHUT_RDWR);
          return;
        }
        break;
      case DuplexStream::Incoming::kEnd:
        ::shutdown(socket, SHUT_WR);
        return;
      case DuplexStream::Incoming::kBroken:
        ::shutdown(socket, SHUT_RDWR);
        return;
    }
  }
}

}  // namespace

void CarryBytes(int socket, DuplexStream& stream) {
  std::thread outbound =
      StartThread("bytes-out", [socket, &stream] { SocketToStream(socket, stream); });
  StreamToSocket(stream, socket);
  outbound.join();
}

}  // namespace cairn
