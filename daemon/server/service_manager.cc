#include "daemon/server/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>

#include "runtime/base/fd.h"

namespace cairn::server {

void NotifyServiceManager(string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) {
    return;
  }
  const string_view name = path;
  sockaddr_un address = {};
  if (name.size() >= sizeof address.sun_path) {
    return;
  }
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path, name.size());
  if (name[0] == '@') {
    address.sun_path[0] = '\0';  // the abstract namespace
  }
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // systemd notices a daemon that says nothing; there is nothing better to do about a failure here.
  (void)sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&address),
               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size()));
}

}  // namespace cairn::server
