// Carries the bytes of one end of a socketpair over a gRPC stream of BytesMessage, both ways.
//
// Two threads: one reads the socket and writes the stream, the other the reverse. Ends when either
// side does; the destructor ends it and joins.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::client {

class ByteTunnel {
 public:
  // What the stream does; calls block. Returning false ends the tunnel.
  struct Stream {
    std::function<bool(std::string& data)> read;
    std::function<bool(string_view data)> write;
    // Called once when the socket's side has ended: no more writes follow.
    std::function<void()> close_write;
  };

  ByteTunnel(UniqueFd socket, Stream stream);
  ~ByteTunnel();
  ByteTunnel(const ByteTunnel&) = delete;
  ByteTunnel& operator=(const ByteTunnel&) = delete;

  // Ends the socket's side; the stream must be ended by its owner.
  void Shutdown();

  // Waits until both directions have ended.
  void Wait();

 private:
  void SocketToStream();
  void StreamToSocket();

  const UniqueFd socket_;
  const Stream stream_;
  std::thread sender_;
  std::thread receiver_;
};

}  // namespace cairn::client
