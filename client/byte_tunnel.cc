#include "client/byte_tunnel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/base/thread_pool.h"

namespace cairn::client {
namespace {

// Contexts come through here: each message costs as much as some ten KiB of it.
constexpr size_t kChunk = 256 << 10;

}  // namespace

ByteTunnel::ByteTunnel(UniqueFd socket, Stream stream)
    : socket_(std::move(socket)), stream_(std::move(stream)) {
  sender_ = StartThread("tunnel-send", [this] { SocketToStream(); });
  receiver_ = StartThread("tunnel-recv", [this] { StreamToSocket(); });
}

ByteTunnel::~ByteTunnel() {
  Shutdown();
  Wait();
}

void ByteTunnel::Wait() {
  for (std::thread* thread : {&sender_, &receiver_}) {
    if (thread->joinable()) {
      thread->join();
    }
  }
}

void ByteTunnel::Shutdown() { ::shutdown(socket_.get(), SHUT_RDWR); }

void ByteTunnel::SocketToStream() {
  std::string buffer(kChunk, '\0');
  for (;;) {
    const ssize_t got = ::read(socket_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0 || !stream_.write(string_view(buffer.data(), static_cast<size_t>(got)))) {
      break;
    }
  }
  stream_.close_write();
}

void ByteTunnel::StreamToSocket() {
  std::string data;
  while (stream_.read(data) && WriteAll(socket_.get(), data).ok()) {
  }
  Shutdown();
}

}  // namespace cairn::client
