#include "client/published_port.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn::client {
namespace {

constexpr int kBacklog = 128;

Status Malformed(const std::string& text, string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "-p ", text, ": ", why, "; want [[ADDRESS:]PORT:]CONTAINERPORT, as in -p 8080:80"));
}

StatusOr<uint16_t> ParsePort(const std::string& text, string_view number) {
  uint32_t port = 0;
  if (!absl::SimpleAtoi(number, &port) || port == 0 || port > 65535) {
    return Malformed(text, absl::StrCat("\"", number, "\" is no port number (1-65535)"));
  }
  return static_cast<uint16_t>(port);
}

// Listens on one address of a family, kFailedPrecondition when something else does.
StatusOr<UniqueFd> ListenOn(const addrinfo& found, const PublishedPort& published) {
  UniqueFd socket(::socket(found.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) {
    return ErrnoStatus(errno, "socket");
  }
  const int on = 1;
  const int off = 0;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (found.ai_family == AF_INET6) {
    // Without an address IPv4 comes in here too.
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, published.address.empty() ? &off : &on,
                 sizeof on);
  }
  if (::bind(socket.get(), found.ai_addr, found.ai_addrlen) == 0 &&
      ::listen(socket.get(), kBacklog) == 0) {
    return socket;
  }
  if (errno == EADDRINUSE) {
    return absl::FailedPreconditionError(absl::StrCat(
        "port ", published.port,
        " is in use on this machine: end what listens there "
        "or publish another one, as in -p ",
        published.port < 65535 ? published.port + 1 : 8080, ":", published.container_port));
  }
  return ErrnoStatus(errno, absl::StrCat("listen on ", published.address.empty() ? "port" : "",
                                         published.address, " ", published.port));
}

uint16_t PortOf(int socket) {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

std::string PublishedPort::ToString() const {
  const bool v6 = absl::StrContains(address, ":");
  return absl::StrCat(v6 ? "[" : "", address.empty() ? "0.0.0.0" : address, v6 ? "]" : "", ":",
                      port, "->", container_port, "/tcp");
}

StatusOr<PublishedPort> ParsePublishedPort(const std::string& text) {
  string_view rest = text;
  if (absl::ConsumeSuffix(&rest, "/udp") || absl::ConsumeSuffix(&rest, "/sctp")) {
    return Malformed(text, "only TCP ports can be published");
  }
  absl::ConsumeSuffix(&rest, "/tcp");
  PublishedPort published;
  size_t colon = rest.rfind(':');
  ASSIGN_OR_RETURN(published.container_port,
                   ParsePort(text, colon == string_view::npos ? rest : rest.substr(colon + 1)));
  if (colon == string_view::npos) {
    return published;
  }
  rest = rest.substr(0, colon);
  colon = absl::EndsWith(rest, "]") ? string_view::npos : rest.rfind(':');
  const bool has_address = colon != string_view::npos || absl::EndsWith(rest, "]");
  const string_view port =
      colon == string_view::npos ? (has_address ? "" : rest) : rest.substr(colon + 1);
  if (!port.empty()) {
    ASSIGN_OR_RETURN(published.port, ParsePort(text, port));
  }
  if (has_address) {
    string_view address = rest.substr(0, colon);
    if (absl::ConsumePrefix(&address, "[") != absl::ConsumeSuffix(&address, "]") ||
        address.empty()) {
      return Malformed(text, "the address is malformed");
    }
    published.address = std::string(address);
  }
  return published;
}

StatusOr<UniqueFd> Listen(PublishedPort& published) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const char* address = published.address.empty() ? "::" : published.address.c_str();
  const int error = ::getaddrinfo(address, std::to_string(published.port).c_str(), &hints, &list);
  if (error != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("publish on ", published.address, ": ", ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(list, &::freeaddrinfo);
  StatusOr<UniqueFd> socket = ListenOn(*list, published);
  if (published.address.empty() && !socket.ok() && !absl::IsFailedPrecondition(socket.status())) {
    // A machine without IPv6.
    sockaddr_in any = {};
    any.sin_family = AF_INET;
    any.sin_port = htons(published.port);
    addrinfo v4 = {};
    v4.ai_family = AF_INET;
    v4.ai_addr = reinterpret_cast<sockaddr*>(&any);
    v4.ai_addrlen = sizeof any;
    socket = ListenOn(v4, published);
  }
  RETURN_IF_ERROR(socket.status());
  published.port = PortOf(socket->get());
  return socket;
}

}  // namespace cairn::client
