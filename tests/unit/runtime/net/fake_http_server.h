// A small HTTP/1.1 server on a free loopback port whose answers the test writes.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "runtime/base/fd.h"
#include "runtime/base/sync.h"
#include "runtime/net/http_message.h"

namespace cairn::testing {

struct FakeRequest {
  std::string method;
  std::string target;  // path and query
  net::HttpHeaders headers;
  std::string body;

  std::string Header(string_view name) const {
    const std::string* value = net::FindHeader(headers, name);
    return value == nullptr ? "" : *value;
  }
};

struct FakeResponse {
  int status = 200;
  net::HttpHeaders headers;
  std::string body;
  // Sent instead of the body's size.
  std::string content_length;
  // Close the connection after this many bytes of the body.
  size_t cut_after = SIZE_MAX;
  // Keep the connection open and send nothing until the server stops.
  bool hang = false;
};

class FakeHttpServer {
 public:
  using Answer = std::function<FakeResponse(const FakeRequest&)>;

  // `answer` is called on server threads, one at a time.
  explicit FakeHttpServer(Answer answer);
  ~FakeHttpServer();

  int port() const { return port_; }
  // "127.0.0.1:<port>"
  std::string address() const;
  net::Url url(const std::string& target) const;
  // All requests so far.
  std::vector<FakeRequest> requests() const;
  // How many connections were accepted.
  int connections() const;

 private:
  void Accept();
  void Serve(int fd);

  Answer answer_;
  UniqueFd listener_;
  UniqueFd stop_read_, stop_write_;
  int port_ = 0;
  mutable Mutex mu_;
  Mutex answer_mu_;
  std::vector<FakeRequest> requests_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
  int connections_ ABSL_GUARDED_BY(mu_) = 0;
  std::thread acceptor_;
};

}  // namespace cairn::testing
