#include "runtime/sandbox/namespace_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "absl/strings/str_cat.h"
#include "runtime/base/thread_pool.h"

namespace cairn::sandbox {
namespace {

// A socket belongs to the namespace of the thread that makes it, for good; so a thread that goes
// there and ends again is all that is needed.
StatusOr<UniqueFd> MakeSocket(int pidfd, int family) {
  Status status;
  UniqueFd made;
  std::thread maker = StartThread("sandbox-socket", [pidfd, family, &status, &made] {
    if (::setns(pidfd, CLONE_NEWNET) != 0) {
      status = errno == ESRCH ? absl::FailedPreconditionError("the container has ended")
                              : ErrnoStatus(errno, "enter the container's network");
      return;
    }
    made.Reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made.valid()) {
      status = ErrnoStatus(errno, "make a socket in the container's network");
    }
  });
  maker.join();
  RETURN_IF_ERROR(status);
  return made;
}

// The error number of a connection that is under way, 0 when it stands.
StatusOr<int> AwaitConnection(int socket, const CancelToken& cancel) {
  const UniqueFd wake(::eventfd(0, EFD_CLOEXEC));
  CancelCallback on_cancel(cancel, [&wake] {
    const uint64_t one = 1;
    (void)!::write(wake.get(), &one, sizeof one);
  });
  pollfd polls[2] = {{socket, POLLOUT, 0}, {wake.get(), POLLIN, 0}};
  while (::poll(polls, 2, -1) < 0) {
    if (errno != EINTR) {
      return ErrnoStatus(errno, "poll");
    }
  }
  RETURN_IF_ERROR(cancel.Check());
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

StatusOr<UniqueFd> Connect(int pidfd, const sockaddr* address, socklen_t size,
                           const CancelToken& cancel) {
  ASSIGN_OR_RETURN(UniqueFd socket, MakeSocket(pidfd, address->sa_family));
  int error = ::connect(socket.get(), address, size) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    ASSIGN_OR_RETURN(error, AwaitConnection(socket.get(), cancel));
  }
  if (error != 0) {
    return absl::UnavailableError(ErrnoStatus(error, "connect").message());
  }
  const int flags = ::fcntl(socket.get(), F_GETFL);
  ::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK);
  return socket;
}

}  // namespace

StatusOr<UniqueFd> ConnectInNamespaceOf(int pidfd, uint16_t port, const CancelToken& cancel) {
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  StatusOr<UniqueFd> connected =
      Connect(pidfd, reinterpret_cast<const sockaddr*>(&v4), sizeof v4, cancel);
  if (absl::IsUnavailable(connected.status())) {
    sockaddr_in6 v6 = {};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = in6addr_loopback;
    StatusOr<UniqueFd> other =
        Connect(pidfd, reinterpret_cast<const sockaddr*>(&v6), sizeof v6, cancel);
    if (other.ok()) {
      connected = std::move(other);
    }
  }
  RETURN_IF_ERROR_IN(connected.status(), absl::StrCat("port ", port, " of the container"));
  return connected;
}

}  // namespace cairn::sandbox
