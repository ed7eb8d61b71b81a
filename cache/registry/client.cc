#include "cache/registry/client.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cache/registry/blob_download.h"
#include "cache/registry/exchange.h"
#include "cache/registry/manifest.h"

namespace cairn::registry {
namespace {

constexpr int kFetchTries = 3;

std::string AcceptedManifests() {
  return absl::StrJoin({media_type::kOciIndex, media_type::kOciManifest, media_type::kDockerIndex,
                        media_type::kDockerManifest, "*/*"},
                       ", ");
}

std::vector<std::string> PullScope(const ImageReference& reference) {
  return {absl::StrCat("repository:", reference.repository(), ":pull")};
}

std::string ManifestPath(const ImageReference& reference) {
  return absl::StrCat(
      reference.repository(), "/manifests/",
      reference.digest().has_value() ? reference.digest()->ToString() : reference.tag());
}

// The media type without parameters.
std::string ContentType(const net::HttpResponse& response) {
  const std::string* type = response.Header("Content-Type");
  return type == nullptr ? "" : type->substr(0, type->find(';'));
}

// What users know a refused pull by.
Status PullError(const ImageReference& reference, const net::HttpResponse& response) {
  const Status status = StatusOfResponse(response);
  if (response.status == 404) {
    return absl::NotFoundError(absl::StrCat(reference.ToString(), ": not found"));
  }
  if (response.status == 401 || response.status == 403) {
    return Annotate(status,
                    "pull access denied, repository does not exist or may require authorization");
  }
  return status;
}

}  // namespace

RegistryClient::RegistryClient(net::HttpClient& http, HostTable hosts, const Clock& clock)
    : http_(http), hosts_(std::move(hosts)), authorizer_(http, clock) {}

Status RegistryClient::OnEndpoints(const ImageReference& reference, bool pulling,
                                   const Access& access,
                                   const std::function<Status(const Endpoint&)>& attempt) {
  ASSIGN_OR_RETURN(const std::vector<Endpoint> endpoints,
                   hosts_.EndpointsOf(reference.host(), pulling, access.insecure));
  Status first;
  for (const Endpoint& endpoint : endpoints) {
    const Status status = attempt(endpoint);
    if (status.ok() || absl::IsCancelled(status)) {
      return status;
    }
    // The registry's own answer counts more than a mirror's; that it gave none does not.
    const bool own = endpoint.mirrored_host.empty();
    if (first.ok() || (own && absl::IsNotFound(first) && !absl::IsUnavailable(status))) {
      first = status;
    }
    if (own && !endpoint.has_fallback) {
      return endpoints.size() == 1 || !absl::IsUnavailable(status) ? status : first;
    }
    if (endpoint.has_fallback && !absl::IsUnavailable(status) &&
        !absl::IsFailedPrecondition(status)) {
      return status;
    }
  }
  return first;
}

StatusOr<Descriptor> RegistryClient::ResolveAt(const Endpoint& endpoint,
                                               const ImageReference& reference,
                                               const Access& access) {
  Exchange exchange(http_, authorizer_, endpoint, PullScope(reference), access);
  net::HttpRequest head = exchange.Request("HEAD", ManifestPath(reference));
  head.headers.emplace_back("Accept", AcceptedManifests());
  ASSIGN_OR_RETURN(net::HttpResponse response, exchange.Send(head));
  // Some registries do not know HEAD, or answer it without what is needed: then the bytes decide.
  const std::string* claimed = response.Header("Docker-Content-Digest");
  if (response.ok() && response.content_length().value_or(0) > 0 &&
      (reference.digest().has_value() || claimed != nullptr)) {
    StatusOr<Digest> digest =
        reference.digest().has_value() ? *reference.digest() : Digest::Parse(*claimed);
    if (digest.ok() && !ContentType(response).empty()) {
      return Descriptor{.media_type = ContentType(response),
                        .digest = *digest,
                        .size = *response.content_length()};
    }
  }
  if (response.status == 404) {
    return PullError(reference, response);
  }
  net::HttpRequest get = exchange.Request("GET", ManifestPath(reference));
  get.headers = head.headers;
  get.max_body_bytes = kMaxManifestBytes;
  ASSIGN_OR_RETURN(response, exchange.Send(get));
  if (!response.ok()) {
    return PullError(reference, response);
  }
  const Digest digest = Digest::Of(response.body);
  if (reference.digest().has_value() && digest != *reference.digest()) {
    return absl::DataLossError(
        absl::StrCat(reference.ToString(), ": the registry sent ", digest.ToString()));
  }
  return Descriptor{
      .media_type = ContentType(response), .digest = digest, .size = response.body.size()};
}

StatusOr<Descriptor> RegistryClient::Resolve(const ImageReference& reference,
                                             const Access& access) {
  std::optional<Descriptor> found;
  RETURN_IF_ERROR(OnEndpoints(reference, true, access, [&](const Endpoint& endpoint) {
    const int tries = endpoint.has_fallback || !endpoint.mirrored_host.empty() ? 1 : 2;
    return WithRetries(tries, access.cancel, [&]() -> Status {
      ASSIGN_OR_RETURN(found, ResolveAt(endpoint, reference, access));
      return absl::OkStatus();
    });
  }));
  return *found;
}

StatusOr<std::string> RegistryClient::FetchManifest(const ImageReference& repository,
                                                    const Descriptor& descriptor,
                                                    const Access& access) {
  const ImageReference reference = repository.WithDigest(descriptor.digest);
  std::string document;
  const auto fetch = [&](const Endpoint& endpoint) -> Status {
    Exchange exchange(http_, authorizer_, endpoint, PullScope(reference), access);
    net::HttpRequest get = exchange.Request("GET", ManifestPath(reference));
    get.headers.emplace_back("Accept", descriptor.media_type.empty()
                                           ? AcceptedManifests()
                                           : absl::StrCat(descriptor.media_type, ", */*"));
    get.max_body_bytes = kMaxManifestBytes;
    ASSIGN_OR_RETURN(net::HttpResponse response, exchange.Send(get));
    if (!response.ok()) {
      return PullError(reference, response);
    }
    const Digest digest = Digest::Of(response.body);
    if (digest != descriptor.digest ||
        (descriptor.size != 0 && response.body.size() != descriptor.size)) {
      return absl::DataLossError(absl::StrCat("fetch ", reference.ToString(), ": got ",
                                              response.body.size(), " bytes of digest ",
                                              digest.ToString()));
    }
    document = std::move(response.body);
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(OnEndpoints(reference, true, access, [&](const Endpoint& endpoint) {
    return WithRetries(kFetchTries, access.cancel, [&] { return fetch(endpoint); });
  }));
  return document;
}

StatusOr<std::string> RegistryClient::FetchReferrers(const ImageReference& repository,
                                                     const Digest& subject, const Access& access) {
  std::string document;
  RETURN_IF_ERROR(OnEndpoints(repository, true, access, [&](const Endpoint& endpoint) -> Status {
    Exchange exchange(http_, authorizer_, endpoint, PullScope(repository), access);
    net::HttpRequest get = exchange.Request(
        "GET", absl::StrCat(repository.repository(), "/referrers/", subject.ToString()));
    get.headers.emplace_back("Accept", media_type::kOciIndex);
    get.max_body_bytes = kMaxManifestBytes;
    ASSIGN_OR_RETURN(net::HttpResponse response, exchange.Send(get));
    if (!response.ok()) {
      return PullError(repository, response);
    }
    document = std::move(response.body);
    return absl::OkStatus();
  }));
  return document;
}

Status RegistryClient::FetchBlobFrom(const Endpoint& endpoint, const ImageReference& repository,
                                     const Descriptor& descriptor, const Access& access,
                                     BlobDownload& download) {
  Exchange exchange(http_, authorizer_, endpoint, PullScope(repository), access);
  net::HttpRequest get = exchange.Request(
      "GET", absl::StrCat(repository.repository(), "/blobs/", descriptor.digest.ToString()));
  get.headers.emplace_back("Accept", absl::StrCat(descriptor.media_type, ", */*"));
  if (download.offset() > 0) {
    get.headers.emplace_back("Range", absl::StrCat("bytes=", download.offset(), "-"));
  }
  ExchangeOptions options;
  options.sink = &download;
  options.on_headers = [&download](const net::HttpResponse& response) {
    return download.Begin(response);
  };
  ASSIGN_OR_RETURN(const net::HttpResponse response, exchange.Send(get, options));
  if (!response.ok()) {
    return PullError(repository.WithDigest(descriptor.digest), response);
  }
  if (download.offset() < descriptor.size) {
    return absl::UnavailableError("the registry sent too little");
  }
  return absl::OkStatus();
}

Status RegistryClient::FetchForeign(const std::string& host, const Descriptor& descriptor,
                                    const Access& access, BlobDownload& download) {
  if (!hosts_.AllowsForeignUrls(host)) {
    return absl::NotFoundError(absl::StrCat(
        "the registry does not hold this foreign layer; to fetch it from ", descriptor.urls.front(),
        ", set foreignURLs = true for [registry.\"", host, "\"] in the daemon's configuration"));
  }
  Status last;
  for (const std::string& text : descriptor.urls) {
    ASSIGN_OR_RETURN(const net::Url url, net::Url::Parse(text));
    net::HttpRequest get{.url = url};
    get.refuse_host_local = true;
    const auto response = http_.Fetch(
        get, download, access.cancel,
        [&download](const net::HttpResponse& headers) { return download.Begin(headers); });
    if (response.ok() && response->ok()) {
      return absl::OkStatus();
    }
    last = response.ok() ? absl::NotFoundError(absl::StrCat("status ", response->status))
                         : response.status();
    last = Annotate(last, absl::StrCat("foreign layer from ", text));
    if (download.offset() > 0 || absl::IsCancelled(last)) {
      break;  // what came of one source does not go on with another
    }
  }
  return last;
}

Status RegistryClient::FetchBlob(const ImageReference& repository, const Descriptor& descriptor,
                                 fs::ByteSink& sink, const Access& access,
                                 const std::function<void(uint64_t)>& progress) {
  BlobDownload download(descriptor, sink, progress);
  const auto fetch_at = [&](const Endpoint& endpoint) -> Status {
    int failures = 0;
    for (;;) {
      const uint64_t before = download.offset();
      const Status status = FetchBlobFrom(endpoint, repository, descriptor, access, download);
      if (status.ok() || !IsTransient(status) || download.sink_failed()) {
        return status;
      }
      // As long as bytes come, going on is worth it.
      failures = download.offset() > before ? 0 : failures + 1;
      if (failures >= kFetchTries || endpoint.has_fallback) {
        return status;
      }
      access.cancel.WaitFor(absl::Milliseconds(200) * (1 << failures));
      RETURN_IF_ERROR(access.cancel.Check());
    }
  };
  const std::string what = absl::StrCat("fetch blob ", descriptor.digest.ToString());
  if (descriptor.size > 0) {
    Status fetched = OnEndpoints(repository, true, access, fetch_at);
    if (absl::IsNotFound(fetched) && IsForeignLayerType(descriptor.media_type) &&
        !descriptor.urls.empty() && download.offset() == 0) {
      fetched = FetchForeign(repository.host(), descriptor, access, download);
    }
    RETURN_IF_ERROR_IN(fetched, what);
  }
  RETURN_IF_ERROR_IN(download.Finish(), what);
  return absl::OkStatus();
}

StatusOr<uint64_t> RegistryClient::BlobSize(const ImageReference& repository, const Digest& digest,
                                            const Access& access) {
  uint64_t size = 0;
  RETURN_IF_ERROR(OnEndpoints(repository, true, access, [&](const Endpoint& endpoint) -> Status {
    Exchange exchange(http_, authorizer_, endpoint, PullScope(repository), access);
    ASSIGN_OR_RETURN(
        const net::HttpResponse response,
        exchange.Send(exchange.Request(
            "HEAD", absl::StrCat(repository.repository(), "/blobs/", digest.ToString()))));
    if (!response.ok()) {
      return PullError(repository.WithDigest(digest), response);
    }
    const std::optional<uint64_t> length = response.content_length();
    if (!length.has_value()) {
      return absl::UnavailableError(
          absl::StrCat("the registry does not tell the size of ", digest.ToString()));
    }
    size = *length;
    return absl::OkStatus();
  }));
  return size;
}

}  // namespace cairn::registry
