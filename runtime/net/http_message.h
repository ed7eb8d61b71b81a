// An HTTP request and response (RFC 9110), as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "runtime/base/status.h"
#include "runtime/fs/byte_stream.h"
#include "runtime/net/url.h"

namespace cairn::net {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// The first value of the header `name` (compared without case), or nullptr.
const std::string* FindHeader(const HttpHeaders& headers, string_view name);

// How a server's certificate is checked and what is shown to it.
struct TlsOptions {
  bool insecure = false;              // accept any certificate
  std::vector<std::string> ca_files;  // PEM; trusted besides the system's
  std::string certificate_file;       // PEM client certificate and its key; both or none
  std::string key_file;
};

struct HttpRequest {
  std::string method = "GET";
  Url url;
  HttpHeaders headers;

  // What is sent; null for none. Read once, from where it stands.
  fs::ByteSource* body = nullptr;
  // Its length; unknown is sent in chunks.
  std::optional<uint64_t> body_size;

  TlsOptions tls;
  // Redirects followed for GET and HEAD; other methods are never redirected. Beyond it the request
  // fails; with 0 the 3xx response is returned.
  int max_redirects = 5;
  // The URL is somebody else's idea: addresses of this host itself (loopback, link-local) are
  // refused, as they always are after a redirect from elsewhere.
  bool refuse_host_local = false;
  // No byte moved either way for this long ends the request.
  absl::Duration stall_timeout = absl::Seconds(60);
  // The server may have to make first what it is asked for: stall_timeout alone counts.
  bool slow_answer = false;
  // Of a response whose body goes into HttpResponse::body.
  uint64_t max_body_bytes = 4 << 20;
};

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;
  // Where the response came from, after redirects.
  Url url;
  // The body, unless it went into a sink.
  std::string body;

  const std::string* Header(string_view name) const { return FindHeader(headers, name); }
  bool ok() const { return status >= 200 && status < 300; }
  // The Content-Length header, when it is there and a number.
  std::optional<uint64_t> content_length() const;
};

// Parses an HTTP date ("Sun, 06 Nov 1994 08:49:37 GMT"); nullopt when it is none.
std::optional<absl::Time> ParseHttpDate(const std::string& text);

}  // namespace cairn::net
