// Exchange: one request to one endpoint of a registry, with authorization, and the meaning of its
// refusal. Private to this folder.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/registry/auth.h"
#include "cache/registry/client.h"
#include "cache/registry/hosts.h"
#include "runtime/net/http_client.h"

namespace cairn::registry {

// Opens the request's body anew, for each try.
using BodyOpener = std::function<StatusOr<std::unique_ptr<fs::ByteSource>>()>;

struct ExchangeOptions {
  BodyOpener open_body;
  fs::ByteSink* sink = nullptr;
  std::function<Status(const net::HttpResponse&)> on_headers;
};

class Exchange {
 public:
  // All outlive it. `scopes` is what the request needs: "repository:<name>:pull".
  Exchange(net::HttpClient& http, Authorizer& authorizer, const Endpoint& endpoint,
           std::vector<std::string> scopes, const Access& access)
      : http_(http),
        authorizer_(authorizer),
        endpoint_(endpoint),
        scopes_(std::move(scopes)),
        access_(access) {}

  // Sends `request`; a 401 is answered once with (new) credentials. The Authorization header goes
  // only to the endpoint's own origin.
  StatusOr<net::HttpResponse> Send(net::HttpRequest request, const ExchangeOptions& options = {});

  // A request to `path` ("<repository>/blobs/...") below the endpoint's base.
  net::HttpRequest Request(const std::string& method, const std::string& path) const;

 private:
  StatusOr<net::HttpResponse> SendOnce(net::HttpRequest& request, const ExchangeOptions& options,
                                       const std::vector<std::string>& scopes);

  net::HttpClient& http_;
  Authorizer& authorizer_;
  const Endpoint& endpoint_;
  const std::vector<std::string> scopes_;
  const Access& access_;
};

// The error that a response of any status but 2xx is, with the registry's own words: 404 is
// kNotFound, 401 kUnauthenticated, 403 kPermissionDenied, 408, 429 and 5xx kUnavailable, else
// kFailedPrecondition.
Status StatusOfResponse(const net::HttpResponse& response);

// Whether the same request may succeed later: kUnavailable, kDeadlineExceeded.
bool IsTransient(const Status& status);

// Runs `attempt` until it is OK, fails other than with kUnavailable, or has been tried `tries`
// times; waits a little longer each time in between. Who did not answer in time (kDeadlineExceeded)
// is not waited for twice. kCancelled when the token fires.
Status WithRetries(int tries, const CancelToken& cancel, const std::function<Status()>& attempt);

}  // namespace cairn::registry
