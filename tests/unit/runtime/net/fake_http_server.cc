#include "tests/unit/runtime/net/fake_http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::testing {
namespace {

// Reads more into `buffer`; false at the end, or when the server stops.
bool ReadMore(int fd, int stop, std::string& buffer) {
  pollfd fds[2] = {{fd, POLLIN, 0}, {stop, POLLIN, 0}};
  if (::poll(fds, 2, -1) < 0 || fds[1].revents != 0) {
    return false;
  }
  char chunk[65536];
  const ssize_t got = ::recv(fd, chunk, sizeof chunk, 0);
  if (got <= 0) {
    return false;
  }
  buffer.append(chunk, static_cast<size_t>(got));
  return true;
}

bool SendAll(int fd, string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    data.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool ReadChunked(int fd, int stop, std::string& buffer, std::string& body) {
  for (;;) {
    size_t line_end;
    while ((line_end = buffer.find("\r\n")) == std::string::npos) {
      if (!ReadMore(fd, stop, buffer)) return false;
    }
    const size_t size = std::stoul(buffer.substr(0, line_end), nullptr, 16);
    while (buffer.size() < line_end + 2 + size + 2) {
      if (!ReadMore(fd, stop, buffer)) return false;
    }
    body += buffer.substr(line_end + 2, size);
    buffer.erase(0, line_end + 2 + size + 2);
    if (size == 0) return true;
  }
}

}  // namespace

FakeHttpServer::FakeHttpServer(Answer answer) : answer_(std::move(answer)) {
  listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    abort();
  }
  port_ = ntohs(address.sin_port);
  FdPair pipe = *MakePipe();
  stop_read_ = std::move(pipe.read);
  stop_write_ = std::move(pipe.write);
  acceptor_ = std::thread([this] { Accept(); });
}

FakeHttpServer::~FakeHttpServer() {
  stop_write_.Reset();
  acceptor_.join();
  std::vector<std::thread> threads;
  {
    MutexLock lock(mu_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

std::string FakeHttpServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

net::Url FakeHttpServer::url(const std::string& target) const {
  return *net::Url::Parse(absl::StrCat("http://", address(), target));
}

std::vector<FakeRequest> FakeHttpServer::requests() const {
  MutexLock lock(mu_);
  return requests_;
}

int FakeHttpServer::connections() const {
  MutexLock lock(mu_);
  return connections_;
}

void FakeHttpServer::Accept() {
  for (;;) {
    pollfd fds[2] = {{listener_.get(), POLLIN, 0}, {stop_read_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 || fds[1].revents != 0) {
      return;
    }
    const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) {
      MutexLock lock(mu_);
      ++connections_;
      threads_.emplace_back([this, fd] { Serve(fd); });
    }
  }
}

void FakeHttpServer::Serve(int raw_fd) {
  const UniqueFd fd(raw_fd);
  const int stop = stop_read_.get();
  std::string buffer;
  for (;;) {
    size_t end;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!ReadMore(fd.get(), stop, buffer) || buffer[0] == '\x16') return;  // no TLS here
    }
    FakeRequest request;
    const std::vector<std::string> lines = absl::StrSplit(buffer.substr(0, end), "\r\n");
    buffer.erase(0, end + 4);
    const std::vector<std::string> first = absl::StrSplit(lines[0], ' ');
    request.method = first[0];
    request.target = first[1];
    for (size_t i = 1; i < lines.size(); ++i) {
      const std::pair<std::string, std::string> header =
          absl::StrSplit(lines[i], absl::MaxSplits(": ", 1));
      request.headers.push_back(header);
    }
    if (!request.Header("Expect").empty()) {
      SendAll(fd.get(), "HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (request.Header("Transfer-Encoding") == "chunked") {
      if (!ReadChunked(fd.get(), stop, buffer, request.body)) return;
    } else if (size_t size = 0; absl::SimpleAtoi(request.Header("Content-Length"), &size)) {
      while (buffer.size() < size) {
        if (!ReadMore(fd.get(), stop, buffer)) return;
      }
      request.body = buffer.substr(0, size);
      buffer.erase(0, size);
    }
    {
      MutexLock lock(mu_);
      requests_.push_back(request);
    }
    FakeResponse response;
    {
      MutexLock lock(answer_mu_);
      response = answer_(request);
    }
    if (response.hang) {
      pollfd wait = {stop, POLLIN, 0};
      ::poll(&wait, 1, -1);
      return;
    }
    std::string head = absl::StrCat("HTTP/1.1 ", response.status, " Text\r\n");
    for (const auto& [name, value] : response.headers) {
      absl::StrAppend(&head, name, ": ", value, "\r\n");
    }
    absl::StrAppend(&head, "Content-Length: ",
                    response.content_length.empty() ? absl::StrCat(response.body.size())
                                                    : response.content_length,
                    "\r\n\r\n");
    if (!SendAll(fd.get(), head)) return;
    if (request.method != "HEAD" &&
        !SendAll(fd.get(), string_view(response.body).substr(0, response.cut_after))) {
      return;
    }
    if (response.cut_after < response.body.size()) return;
  }
}

}  // namespace cairn::testing
