// A docker-registry process of the test's own.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "runtime/base/fd.h"
#include "runtime/base/subprocess.h"
#include "runtime/net/http_client.h"
#include "tests/unit/testing.h"

namespace cairn::testing {

inline int FreePort() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

class LocalRegistry {
 public:
  // kUnavailable when the program is not installed or does not answer.
  static StatusOr<std::unique_ptr<LocalRegistry>> Start() {
    std::unique_ptr<LocalRegistry> registry(new LocalRegistry());
    registry->port_ = FreePort();
    const std::string config = registry->temp_.Write(
        "config.yml",
        absl::StrCat("version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: ",
                     registry->temp_ / "data", "}\nhttp:\n  addr: 127.0.0.1:", registry->port_,
                     "\n"));
    ASSIGN_OR_RETURN(registry->process_,
                     Subprocess::Start({.argv = {"docker-registry", "serve", config}}));
    net::HttpClient http;
    ASSIGN_OR_RETURN(const net::Url url,
                     net::Url::Parse(absl::StrCat("http://", registry->address(), "/v2/")));
    const absl::Time deadline = absl::Now() + absl::Seconds(60);
    while (!http.Send({.url = url}, {}).ok()) {
      if (absl::Now() > deadline) {
        return absl::UnavailableError("docker-registry does not answer");
      }
      CancelToken().WaitFor(absl::Milliseconds(20));
    }
    return registry;
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  void Kill() {
    process_->Kill(9);
    process_->Wait().IgnoreError();
  }

 private:
  LocalRegistry() = default;

  TempDir temp_;
  int port_ = 0;
  std::unique_ptr<Subprocess> process_;
};

}  // namespace cairn::testing
