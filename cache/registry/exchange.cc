#include "cache/registry/exchange.h"

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::registry {
namespace {

constexpr absl::Duration kFirstWait = absl::Milliseconds(200);
constexpr size_t kMaxServerText = 1000;

// "code: message" of each error in a registry's error document, else nothing.
std::string ServerText(const std::string& body) {
  const nlohmann::json json = nlohmann::json::parse(body, nullptr, false);
  std::string text;
  if (!json.is_object() || !json.contains("errors") || !json["errors"].is_array()) {
    return text;
  }
  for (const nlohmann::json& error : json["errors"]) {
    if (!error.is_object()) {
      continue;
    }
    const auto field = [&error](const char* key) {
      const auto found = error.find(key);
      return found != error.end() && found->is_string() ? found->get<std::string>() : "";
    };
    absl::StrAppend(&text, text.empty() ? "" : "; ", field("code"), ": ", field("message"));
  }
  return text.substr(0, kMaxServerText);
}

}  // namespace

net::HttpRequest Exchange::Request(const std::string& method, const std::string& path) const {
  net::HttpRequest request{.method = method, .url = endpoint_.base, .tls = endpoint_.tls};
  absl::StrAppend(&request.url.path, "/", path);
  if (!endpoint_.mirrored_host.empty()) {
    request.url.query = absl::StrCat("ns=", net::EscapeQuery(endpoint_.mirrored_host));
  }
  return request;
}

StatusOr<net::HttpResponse> Exchange::SendOnce(net::HttpRequest& request,
                                               const ExchangeOptions& options,
                                               const std::vector<std::string>& scopes) {
  const bool own_origin = request.url.origin() == endpoint_.base.origin();
  net::HttpRequest authorized = request;
  if (own_origin) {
    ASSIGN_OR_RETURN(const std::string header,
                     authorizer_.HeaderFor(endpoint_, scopes, access_.credentials, access_.cancel));
    if (!header.empty()) {
      authorized.headers.emplace_back("Authorization", header);
    }
  }
  std::unique_ptr<fs::ByteSource> body;
  if (options.open_body) {
    ASSIGN_OR_RETURN(body, options.open_body());
    authorized.body = body.get();
  }
  if (options.sink != nullptr) {
    return http_.Fetch(authorized, *options.sink, access_.cancel, options.on_headers);
  }
  return http_.Send(authorized, access_.cancel);
}

StatusOr<net::HttpResponse> Exchange::Send(net::HttpRequest request,
                                           const ExchangeOptions& options) {
  ASSIGN_OR_RETURN(net::HttpResponse response, SendOnce(request, options, scopes_));
  if (response.status != 401 || request.url.origin() != endpoint_.base.origin() ||
      response.url.origin() != endpoint_.base.origin()) {
    return response;
  }
  ASSIGN_OR_RETURN(
      const std::optional<std::vector<std::string>> scopes,
      authorizer_.Learn(endpoint_, response, scopes_, access_.credentials, access_.cancel));
  if (!scopes.has_value()) {
    return response;
  }
  return SendOnce(request, options, *scopes);
}

Status StatusOfResponse(const net::HttpResponse& response) {
  std::string text =
      absl::StrCat("unexpected status ", response.status, " from ", response.url.ForMessage());
  const std::string server = ServerText(response.body);
  if (!server.empty()) {
    absl::StrAppend(&text, ": server message: ", server);
  }
  switch (response.status) {
    case 404:
      return absl::NotFoundError(text);
    case 401:
      return absl::UnauthenticatedError(text);
    case 403:
      return absl::PermissionDeniedError(text);
    case 408:
    case 429:
      return absl::UnavailableError(text);
    default:
      return response.status >= 500 ? absl::UnavailableError(text)
                                    : absl::FailedPreconditionError(text);
  }
}

bool IsTransient(const Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

Status WithRetries(int tries, const CancelToken& cancel, const std::function<Status()>& attempt) {
  absl::Duration wait = kFirstWait;
  for (int i = 1;; ++i) {
    const Status status = attempt();
    if (status.ok() || !absl::IsUnavailable(status) || i >= tries) {
      return status;
    }
    cancel.WaitFor(wait);
    RETURN_IF_ERROR(cancel.Check());
    wait *= 2;
  }
}

}  // namespace cairn::registry
