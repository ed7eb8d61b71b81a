#include "cache/registry/auth.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cache/registry/json.h"

namespace cairn::registry {
namespace {

constexpr size_t kMaxChallenge = 8192;
constexpr size_t kMaxTokens = 4096;
constexpr int64_t kDefaultTokenSeconds = 60;
constexpr char kClientId[] = "buildkit-client";

bool IsTokenChar(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         absl::StrContains("!#$%&'*+-.^_`|~", string_view(&c, 1));
}

std::string TakeWord(string_view& text) {
  const size_t size = std::find_if_not(text.begin(), text.end(), IsTokenChar) - text.begin();
  const std::string word(text.substr(0, size));
  text.remove_prefix(size);
  return word;
}

void SkipSpaces(string_view& text) { text = absl::StripLeadingAsciiWhitespace(text); }

// A quoted string or a word; nullopt when a quote is not closed.
std::optional<std::string> TakeValue(string_view& text) {
  if (!absl::StartsWith(text, "\"")) {
    return TakeWord(text);
  }
  std::string value;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return value;
    }
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
    }
    value += text[i];
  }
  return std::nullopt;
}

// Reads "name=value, name=value"; false when malformed. Stops before the next challenge's scheme.
bool TakeParameters(string_view& text, Challenge& challenge) {
  for (;;) {
    SkipSpaces(text);
    string_view ahead = text;
    const std::string name = TakeWord(ahead);
    SkipSpaces(ahead);
    if (name.empty() || !absl::ConsumePrefix(&ahead, "=")) {
      return true;  // the end, or the next scheme
    }
    SkipSpaces(ahead);
    std::optional<std::string> value = TakeValue(ahead);
    if (!value.has_value()) {
      return false;
    }
    challenge.parameters[absl::AsciiStrToLower(name)] = *std::move(value);
    text = ahead;
    SkipSpaces(text);
    if (!absl::ConsumePrefix(&text, ",")) {
      return true;
    }
  }
}

std::string ParentDomain(const std::string& host) {
  const size_t dot = host.find('.');
  return dot == std::string::npos ? "" : host.substr(dot + 1);
}

// Whether anybody may have a name below `domain`: "com", "co.uk".
bool IsPublicSuffix(const std::string& domain) {
  const size_t dot = domain.find('.');
  if (dot == std::string::npos) {
    return true;
  }
  const bool two_labels = domain.find('.', dot + 1) == std::string::npos;
  return two_labels && dot <= 3 && domain.size() - dot - 1 == 2;
}

StatusOr<FetchedToken> ParseToken(const std::string& body) {
  RETURN_IF_ERROR(CheckStrictJson(body, "token server's answer"));
  const nlohmann::json json = nlohmann::json::parse(body.begin(), body.end());
  FetchedToken token;
  for (const char* key : {"token", "access_token"}) {
    const auto found = json.find(key);
    if (found != json.end() && found->is_string() &&
        !found->get_ref<const std::string&>().empty()) {
      token.token = found->get<std::string>();
    }
  }
  const auto expires = json.find("expires_in");
  if (expires != json.end() && expires->is_number()) {
    token.expires_in_seconds = expires->get<int64_t>();
  }
  if (token.token.empty() || token.token.find_first_of("\r\n") != std::string::npos) {
    return absl::UnavailableError("token server's answer: no token in it");
  }
  return token;
}

std::string FormOf(const std::vector<std::pair<std::string, std::string>>& fields) {
  return absl::StrJoin(fields, "&", [](std::string* out, const auto& field) {
    absl::StrAppend(out, field.first, "=", net::EscapeQuery(field.second));
  });
}

}  // namespace

std::vector<Challenge> ParseChallenges(const net::HttpHeaders& headers) {
  std::vector<Challenge> challenges;
  for (const auto& [name, value] : headers) {
    if (!absl::EqualsIgnoreCase(name, "WWW-Authenticate") || value.size() > kMaxChallenge) {
      continue;
    }
    string_view text = value;
    for (;;) {
      while (!text.empty() && (text.front() == ',' || text.front() == ' ')) {
        text.remove_prefix(1);
      }
      Challenge challenge;
      challenge.scheme = absl::AsciiStrToLower(TakeWord(text));
      if (challenge.scheme.empty() || !TakeParameters(text, challenge)) {
        break;
      }
      challenges.push_back(std::move(challenge));
    }
  }
  return challenges;
}

std::vector<std::string> NormalizeScopes(const std::vector<std::string>& scopes) {
  std::map<std::string, std::set<std::string>> actions;
  for (const std::string& scope : scopes) {
    const size_t colon = scope.rfind(':');
    if (colon == std::string::npos) {
      continue;
    }
    for (const string_view action : absl::StrSplit(scope.substr(colon + 1), ',')) {
      actions[scope.substr(0, colon)].insert(std::string(action));
    }
  }
  std::vector<std::string> result;
  for (const auto& entry : actions) {
    result.push_back(absl::StrCat(entry.first, ":", absl::StrJoin(entry.second, ",")));
  }
  return result;
}

bool MayReceiveSecret(const std::string& registry_host, const std::string& realm_host) {
  if (registry_host == realm_host) {
    return true;
  }
  const bool address = realm_host.find_first_not_of("0123456789.") == std::string::npos ||
                       absl::StartsWith(realm_host, "[") ||
                       registry_host.find_first_not_of("0123456789.") == std::string::npos;
  const std::string parent = ParentDomain(registry_host);
  if (address || IsPublicSuffix(parent)) {
    return false;
  }
  return realm_host == parent || ParentDomain(realm_host) == parent;
}

StatusOr<std::string> Authorizer::KeyOf(const Endpoint& endpoint, CredentialSource& credentials,
                                        const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const std::string identity,
                   credentials.Identity(endpoint.credential_host, cancel));
  return absl::StrCat(endpoint.base.origin(), "\n", identity);
}

StatusOr<std::string> Authorizer::HeaderFor(const Endpoint& endpoint,
                                            const std::vector<std::string>& scopes,
                                            CredentialSource& credentials,
                                            const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const std::string key, KeyOf(endpoint, credentials, cancel));
  const std::pair<std::string, std::string> token_key(key,
                                                      absl::StrJoin(NormalizeScopes(scopes), " "));
  Demand demand;
  {
    MutexLock lock(mu_);
    const auto found = demands_.find(key);
    if (found == demands_.end()) {
      return std::string();
    }
    demand = found->second;
    const auto token = tokens_.find(token_key);
    if (token != tokens_.end() && token->second.expires > clock_.Now()) {
      return absl::StrCat("Bearer ", token->second.token);
    }
  }
  if (demand.basic) {
    ASSIGN_OR_RETURN(const Credentials basic,
                     credentials.GetCredentials(endpoint.credential_host, cancel));
    if (basic.username.empty()) {
      return std::string();
    }
    return absl::StrCat("Basic ",
                        absl::Base64Escape(absl::StrCat(basic.username, ":", basic.secret)));
  }
  ASSIGN_OR_RETURN(const FetchedToken token,
                   RequestToken(endpoint, demand, NormalizeScopes(scopes), credentials, cancel));
  const int64_t seconds =
      token.expires_in_seconds > 0 ? token.expires_in_seconds : kDefaultTokenSeconds;
  MutexLock lock(mu_);
  if (tokens_.size() >= kMaxTokens) {
    tokens_.clear();
  }
  tokens_[token_key] = {token.token, clock_.Now() + absl::Seconds(seconds) * 0.9};
  return absl::StrCat("Bearer ", token.token);
}

StatusOr<std::optional<std::vector<std::string>>> Authorizer::Learn(
    const Endpoint& endpoint, const net::HttpResponse& response,
    const std::vector<std::string>& scopes, CredentialSource& credentials,
    const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const std::string key, KeyOf(endpoint, credentials, cancel));
  const std::vector<Challenge> challenges = ParseChallenges(response.headers);
  const Challenge* chosen = nullptr;
  for (const Challenge& challenge : challenges) {
    const bool bearer = challenge.scheme == "bearer" && challenge.parameters.count("realm") != 0;
    if (bearer || (challenge.scheme == "basic" && chosen == nullptr)) {
      chosen = &challenge;
    }
    if (bearer) {
      break;
    }
  }
  if (chosen == nullptr) {
    return std::nullopt;
  }
  Demand demand{.basic = chosen->scheme == "basic"};
  std::vector<std::string> wanted = scopes;
  if (!demand.basic) {
    const auto parameter = [chosen](const char* name) {
      const auto found = chosen->parameters.find(name);
      return found == chosen->parameters.end() ? std::string() : found->second;
    };
    demand.realm = parameter("realm");
    demand.service = parameter("service");
    for (const string_view scope : absl::StrSplit(parameter("scope"), ' ', absl::SkipEmpty())) {
      wanted.emplace_back(scope);
    }
  }
  MutexLock lock(mu_);
  demands_[key] = demand;
  tokens_.erase({key, absl::StrJoin(NormalizeScopes(scopes), " ")});
  tokens_.erase({key, absl::StrJoin(NormalizeScopes(wanted), " ")});
  return wanted;
}

StatusOr<FetchedToken> Authorizer::RequestToken(const Endpoint& endpoint, const Demand& demand,
                                                const std::vector<std::string>& scopes,
                                                CredentialSource& credentials,
                                                const CancelToken& cancel) {
  ASSIGN_OR_RETURN_IN(const net::Url realm, net::Url::Parse(demand.realm),
                      absl::StrCat("token server of ", endpoint.base.authority()));
  if (endpoint.base.scheme == "https" && realm.scheme != "https") {
    return absl::PermissionDeniedError(
        absl::StrCat("token server ", realm.ForMessage(), " without TLS is refused"));
  }
  ASSIGN_OR_RETURN(std::optional<FetchedToken> fetched,
                   credentials.FetchToken({.host = endpoint.credential_host,
                                           .realm = demand.realm,
                                           .service = demand.service,
                                           .scopes = scopes},
                                          cancel));
  if (fetched.has_value()) {
    return *std::move(fetched);
  }
  ASSIGN_OR_RETURN(Credentials known, credentials.GetCredentials(endpoint.credential_host, cancel));
  if (!known.empty() && !MayReceiveSecret(endpoint.base.host, realm.host)) {
    return absl::PermissionDeniedError(
        absl::StrCat("registry ", endpoint.base.authority(), " names the token server ",
                     realm.ForMessage(), " of another domain; its credentials are not sent there"));
  }
  ASSIGN_OR_RETURN(const net::HttpResponse response,
                   AskTokenServer(endpoint, realm, demand, scopes, known, cancel));
  if (!response.ok()) {
    const std::string text =
        absl::StrCat("fetch a token from ", realm.ForMessage(), ": status ", response.status);
    return response.status >= 500 ? absl::UnavailableError(text) : absl::UnauthenticatedError(text);
  }
  return ParseToken(response.body);
}

// GET first, as most servers know it; POST (OAuth2) for those that do not, and for identity tokens.
StatusOr<net::HttpResponse> Authorizer::AskTokenServer(const Endpoint& endpoint,
                                                       const net::Url& realm, const Demand& demand,
                                                       const std::vector<std::string>& scopes,
                                                       const Credentials& credentials,
                                                       const CancelToken& cancel) {
  const bool identity_token = credentials.username.empty() && !credentials.secret.empty();
  const net::TlsOptions tls = realm.host == endpoint.base.host ? endpoint.tls : net::TlsOptions{};
  if (!identity_token) {
    net::HttpRequest request{.url = realm, .tls = tls, .max_body_bytes = 1 << 20};
    std::vector<std::pair<std::string, std::string>> fields;
    if (!demand.service.empty()) {
      fields.emplace_back("service", demand.service);
    }
    for (const std::string& scope : scopes) {
      fields.emplace_back("scope", scope);
    }
    request.url.query = absl::StrCat(realm.query, realm.query.empty() ? "" : "&", FormOf(fields));
    if (!credentials.empty()) {
      request.headers.emplace_back(
          "Authorization",
          absl::StrCat("Basic ", absl::Base64Escape(
                                     absl::StrCat(credentials.username, ":", credentials.secret))));
    }
    ASSIGN_OR_RETURN(net::HttpResponse response, http_.Send(request, cancel));
    const bool try_post =
        response.status == 404 || response.status == 405 || response.status == 401;
    if (!try_post || credentials.empty()) {
      return response;
    }
  }
  std::vector<std::pair<std::string, std::string>> form = {
      {"scope", absl::StrJoin(scopes, " ")}, {"service", demand.service}, {"client_id", kClientId}};
  if (identity_token) {
    form.emplace_back("grant_type", "refresh_token");
    form.emplace_back("refresh_token", credentials.secret);
  } else {
    form.emplace_back("grant_type", "password");
    form.emplace_back("username", credentials.username);
    form.emplace_back("password", credentials.secret);
  }
  const std::string body = FormOf(form);
  fs::StringSource source(body);
  net::HttpRequest request{.method = "POST",
                           .url = realm,
                           .headers = {{"Content-Type", "application/x-www-form-urlencoded"}},
                           .body = &source,
                           .body_size = body.size(),
                           .tls = tls,
                           .max_body_bytes = 1 << 20};
  return http_.Send(request, cancel);
}

}  // namespace cairn::registry
