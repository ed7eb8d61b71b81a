// HttpClient sends HTTP/1.1 requests over kept-alive connections.
//
// Redirects are followed here and not by the library: a hop to another origin (scheme, host, port)
// loses Authorization, Cookie and Proxy-Authorization; https never goes to http; a hop from
// elsewhere to a loopback or link-local address is refused after the name was resolved, so that a
// server cannot make the daemon ask its own host's services. Only http and https are spoken.
// Certificates are checked on every connection. Proxies come from the environment (http_proxy,
// https_proxy, no_proxy). A body comes unpacked that is gzip because the request said
// "Accept-Encoding: gzip"; with that, a body of another Content-Encoding is kUnimplemented, without
// it none is decoded.
//
// Thread-safe; a request occupies the calling thread. Cancelling ends it at once.
#pragma once

#include <functional>
#include <memory>

#include "runtime/base/cancel.h"
#include "runtime/net/http_message.h"

namespace cairn::net {

struct HttpClientOptions {
  std::string user_agent = "cairn";
  absl::Duration connect_timeout = absl::Seconds(30);  // name, connection, TLS
  // From a connection to the first byte of the answer, for requests without a body.
  absl::Duration answer_timeout = absl::Seconds(30);
  size_t max_idle_connections = 16;
  size_t max_header_bytes = 256 << 10;
};

class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Sends `request` and returns the response with its body. Any status is a response, not an error.
  //
  // Errors: kUnavailable when trying again may help (name, connection, stall, cut-off body),
  // kDeadlineExceeded when there was no connection or no answer in time,
  // kFailedPrecondition for certificates that do not hold, kInvalidArgument for a bad redirect,
  // kResourceExhausted for headers or a body beyond the limits, the body source's own, kCancelled.
  StatusOr<HttpResponse> Send(const HttpRequest& request, const CancelToken& cancel);

  // The same, with the body of a 2xx response written into `sink` as it comes; `on_headers`, if
  // given, sees the status and headers of that response first and may refuse it.
  StatusOr<HttpResponse> Fetch(const HttpRequest& request, fs::ByteSink& sink,
                               const CancelToken& cancel,
                               const std::function<Status(const HttpResponse&)>& on_headers = {});

 private:
  struct Pool;
  class Transfer;
  struct Target;
  StatusOr<HttpResponse> SendAndFollow(const HttpRequest& request, const Target& target,
                                       const CancelToken& cancel);

  const HttpClientOptions options_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace cairn::net
