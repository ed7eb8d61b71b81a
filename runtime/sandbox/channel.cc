#include "runtime/sandbox/channel.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace cairn::sandbox {
namespace {

struct Header {
  uint32_t type;
  uint32_t descriptors;
  uint64_t length;
};
static_assert(sizeof(Header) == 16);

int SendRest(int socket, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(socket, data, size, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno;
    }
    data += sent;
    size -= static_cast<size_t>(sent);
  }
  return 0;
}

int ReceiveRest(int socket, char* data, size_t size) {
  while (size > 0) {
    const ssize_t got = ::recv(socket, data, size, MSG_WAITALL);
    if (got < 0) {
      if (errno == EINTR) {
        continue;
      }
      return errno;
    }
    if (got == 0) {
      return ENOTCONN;
    }
    data += got;
    size -= static_cast<size_t>(got);
  }
  return 0;
}

// Takes the descriptors out of a received control message.
void CollectDescriptors(msghdr& message, std::vector<int>& descriptors) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
       control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const size_t before = descriptors.size();
    descriptors.resize(before + count);
    std::memcpy(descriptors.data() + before, CMSG_DATA(control), count * sizeof(int));
  }
}

void CloseAll(std::vector<int>& descriptors) {
  for (const int fd : descriptors) {
    ::close(fd);
  }
  descriptors.clear();
}

}  // namespace

int SendFrame(int socket, uint32_t type, const std::string& payload,
              const std::vector<int>& descriptors) {
  if (payload.size() > kMaxFramePayload || descriptors.size() > kMaxFrameDescriptors) {
    return EMSGSIZE;
  }
  Header header = {type, static_cast<uint32_t>(descriptors.size()), payload.size()};
  iovec parts[2] = {{&header, sizeof header}, {const_cast<char*>(payload.data()), payload.size()}};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFrameDescriptors)] = {};
  if (!descriptors.empty()) {
    const size_t bytes = descriptors.size() * sizeof(int);
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(rights), descriptors.data(), bytes);
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    return errno;
  }
  size_t done = static_cast<size_t>(sent);
  if (done < sizeof header) {
    const char* rest = reinterpret_cast<const char*>(&header) + done;
    if (const int error = SendRest(socket, rest, sizeof header - done); error != 0) {
      return error;
    }
    done = sizeof header;
  }
  done -= sizeof header;
  return SendRest(socket, payload.data() + done, payload.size() - done);
}

int ReceiveFrame(int socket, Frame& frame) {
  frame = Frame();
  Header header = {};
  iovec part = {&header, sizeof header};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFrameDescriptors)];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    return errno;
  }
  if (got == 0) {
    return ENOTCONN;
  }
  CollectDescriptors(message, frame.descriptors);
  int error = ReceiveRest(socket, reinterpret_cast<char*>(&header) + got, sizeof header - got);
  if (error == 0 &&
      (header.length > kMaxFramePayload || header.descriptors != frame.descriptors.size() ||
       (message.msg_flags & MSG_CTRUNC) != 0)) {
    error = EPROTO;
  }
  if (error == 0) {
    frame.type = header.type;
    frame.payload.resize(header.length);
    error = ReceiveRest(socket, frame.payload.data(), frame.payload.size());
  }
  if (error != 0) {
    CloseAll(frame.descriptors);
  }
  return error;
}

}  // namespace cairn::sandbox
