// Frames with file descriptors over a connected unix stream socket.
//
// A frame is: u32 type, u32 number of descriptors, u64 payload length (all little-endian), then
// the payload. Descriptors travel as SCM_RIGHTS with the frame's first bytes. Shared by the daemon
// and the helper program, so it uses standard types alone; functions are stateless.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cairn::sandbox {

// More of either is refused by both functions.
inline constexpr uint64_t kMaxFramePayload = 64u << 20;
inline constexpr uint32_t kMaxFrameDescriptors = 64;

struct Frame {
  uint32_t type = 0;
  std::string payload;
  // Owned by whoever holds the frame: close them, or wrap them. Close-on-exec.
  std::vector<int> descriptors;
};

// Sends one frame; the descriptors stay the caller's. Returns 0 or an errno value (EPIPE when the
// other side is gone, never a signal; EMSGSIZE for a frame that is too large).
int SendFrame(int socket, uint32_t type, const std::string& payload,
              const std::vector<int>& descriptors = {});

// Receives one frame, waiting for all of it. Returns 0, an errno value, or ENOTCONN at the end of
// the stream. EPROTO: the bytes are no frame; received descriptors are closed.
int ReceiveFrame(int socket, Frame& frame);

}  // namespace cairn::sandbox
