// The pushing half of RegistryClient.

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/registry/client.h"
#include "cache/registry/exchange.h"
#include "cache/registry/manifest.h"

namespace cairn::registry {
namespace {

constexpr int kPushTries = 4;
constexpr uint64_t kChunk = 16 << 20;
// A registry may take its time to store a large blob after its last byte.
constexpr absl::Duration kUploadStall = absl::Minutes(5);

std::vector<std::string> PushScope(const ImageReference& reference) {
  return {absl::StrCat("repository:", reference.repository(), ":pull,push")};
}

Status PushError(const net::HttpResponse& response) {
  const Status status = StatusOfResponse(response);
  if (response.status == 401 || response.status == 403) {
    return Annotate(status,
                    "push access denied, repository does not exist or may require authorization");
  }
  return status;
}

// Counts what is read, for progress, and stops after `limit` bytes.
class CountingSource final : public fs::ByteSource {
 public:
  CountingSource(fs::ByteSource& source, uint64_t start, uint64_t limit,
                 const std::function<void(uint64_t)>& progress)
      : source_(source), done_(start), left_(limit), progress_(progress) {}

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    size = static_cast<size_t>(std::min<uint64_t>(size, left_));
    if (size == 0) {
      return size_t{0};
    }
    ASSIGN_OR_RETURN(const size_t got, source_.Read(buffer, size));
    left_ -= got;
    done_ += got;
    if (progress_) {
      progress_(done_);
    }
    return got;
  }

 private:
  fs::ByteSource& source_;
  uint64_t done_;
  uint64_t left_;
  const std::function<void(uint64_t)>& progress_;
};

class OwningCountingSource final : public fs::ByteSource {
 public:
  OwningCountingSource(std::unique_ptr<fs::ByteSource> source, uint64_t size,
                       const std::function<void(uint64_t)>& progress)
      : source_(std::move(source)), counting_(*source_, 0, size, progress) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override { return counting_.Read(buffer, size); }

 private:
  std::unique_ptr<fs::ByteSource> source_;
  CountingSource counting_;
};

// One upload of one blob to one endpoint.
class Upload {
 public:
  Upload(Exchange& exchange, const Endpoint& endpoint, const ImageReference& repository,
         const RegistryClient::BlobUpload& blob)
      : exchange_(exchange), endpoint_(endpoint), repository_(repository), blob_(blob) {}

  StatusOr<PushOutcome> Run() {
    ASSIGN_OR_RETURN(const bool exists, Exists());
    if (exists) {
      return PushOutcome::kExisted;
    }
    if (!blob_.mount_from.empty() && blob_.mount_from != repository_.repository()) {
      // A refusal of the mount is no reason not to upload.
      StatusOr<net::HttpResponse> response =
          Start(absl::StrCat("mount=", blob_.descriptor.digest.ToString(),
                             "&from=", net::EscapeQuery(blob_.mount_from)));
      RETURN_IF_ERROR(response.status());
      if (response->status == 201) {
        return PushOutcome::kMounted;
      }
      if (response->status == 202) {
        return SendTo(*response);
      }
    }
    ASSIGN_OR_RETURN(const net::HttpResponse response, Start(""));
    if (response.status == 201) {
      return PushOutcome::kExisted;
    }
    if (!response.ok()) {
      return PushError(response);
    }
    return SendTo(response);
  }

 private:
  StatusOr<bool> Exists() {
    const net::HttpRequest head = exchange_.Request(
        "HEAD",
        absl::StrCat(repository_.repository(), "/blobs/", blob_.descriptor.digest.ToString()));
    ASSIGN_OR_RETURN(const net::HttpResponse response, exchange_.Send(head));
    if (response.ok()) {
      return true;
    }
    // Registries that refuse to tell may still take an upload; what counts is its answer.
    if (response.status == 404 || response.status == 401 || response.status == 403 ||
        response.status == 405) {
      return false;
    }
    return PushError(response);
  }

  StatusOr<net::HttpResponse> Start(const std::string& query) {
    net::HttpRequest post =
        exchange_.Request("POST", absl::StrCat(repository_.repository(), "/blobs/uploads/"));
    post.url.query = query;
    return exchange_.Send(post);
  }

  // Where the upload goes on, as the registry says; never from HTTPS to HTTP.
  StatusOr<net::Url> LocationOf(const net::HttpResponse& response) {
    const std::string* location = response.Header("Location");
    if (location == nullptr) {
      return absl::FailedPreconditionError("the registry named no place for the upload");
    }
    ASSIGN_OR_RETURN_IN(net::Url url, response.url.Resolve(*location), "place for the upload");
    if (endpoint_.base.scheme == "https" && url.scheme != "https") {
      return absl::PermissionDeniedError("an upload from https to http is refused");
    }
    return url;
  }

  net::HttpRequest Put(net::Url url) const {
    absl::StrAppend(&url.query, url.query.empty() ? "" : "&",
                    "digest=", net::EscapeQuery(blob_.descriptor.digest.ToString()));
    net::HttpRequest put{.method = "PUT", .url = std::move(url), .stall_timeout = kUploadStall};
    if (put.url.host == endpoint_.base.host) {
      put.tls = endpoint_.tls;
    }
    put.headers.emplace_back("Content-Type", "application/octet-stream");
    return put;
  }

  StatusOr<PushOutcome> SendTo(const net::HttpResponse& started) {
    ASSIGN_OR_RETURN(const net::Url url, LocationOf(started));
    net::HttpRequest put = Put(url);
    put.body_size = blob_.descriptor.size;
    ExchangeOptions options;
    options.open_body = [this]() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
      ASSIGN_OR_RETURN(std::unique_ptr<fs::ByteSource> source, blob_.open());
      return std::make_unique<OwningCountingSource>(std::move(source), blob_.descriptor.size,
                                                    blob_.progress);
    };
    ASSIGN_OR_RETURN(const net::HttpResponse response, exchange_.Send(put, options));
    if (response.ok()) {
      return PushOutcome::kUploaded;
    }
    if (response.status != 413) {
      return PushError(response);
    }
    return SendInChunks();
  }

  // For registries behind a proxy that limits the size of a request.
  StatusOr<PushOutcome> SendInChunks() {
    ASSIGN_OR_RETURN(net::HttpResponse response, Start(""));
    if (!response.ok()) {
      return PushError(response);
    }
    ASSIGN_OR_RETURN(const std::unique_ptr<fs::ByteSource> source, blob_.open());
    uint64_t offset = 0;
    while (offset < blob_.descriptor.size) {
      ASSIGN_OR_RETURN(net::Url url, LocationOf(response));
      std::string chunk(std::min<uint64_t>(kChunk, blob_.descriptor.size - offset), '\0');
      ASSIGN_OR_RETURN(const size_t got, fs::ReadFully(*source, chunk.data(), chunk.size()));
      if (got != chunk.size()) {
        return absl::DataLossError("the blob is shorter than its descriptor says");
      }
      net::HttpRequest patch{
          .method = "PATCH", .url = std::move(url), .stall_timeout = kUploadStall};
      patch.tls = endpoint_.tls;
      patch.body_size = chunk.size();
      patch.headers = {{"Content-Type", "application/octet-stream"},
                       {"Content-Range", absl::StrCat(offset, "-", offset + got - 1)}};
      ExchangeOptions options;
      options.open_body = [&chunk]() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
        return std::make_unique<fs::StringSource>(chunk);
      };
      ASSIGN_OR_RETURN(response, exchange_.Send(patch, options));
      if (!response.ok()) {
        return PushError(response);
      }
      offset += got;
      if (blob_.progress) {
        blob_.progress(offset);
      }
    }
    ASSIGN_OR_RETURN(const net::Url url, LocationOf(response));
    ASSIGN_OR_RETURN(response, exchange_.Send(Put(url)));
    if (!response.ok()) {
      return PushError(response);
    }
    return PushOutcome::kUploaded;
  }

  Exchange& exchange_;
  const Endpoint& endpoint_;
  const ImageReference& repository_;
  const RegistryClient::BlobUpload& blob_;
};

}  // namespace

StatusOr<PushOutcome> RegistryClient::PushBlobAt(const Endpoint& endpoint,
                                                 const ImageReference& repository,
                                                 const BlobUpload& upload, const Access& access) {
  std::vector<std::string> scopes = PushScope(repository);
  if (!upload.mount_from.empty() && upload.mount_from != repository.repository()) {
    scopes.push_back(absl::StrCat("repository:", upload.mount_from, ":pull"));
  }
  Exchange exchange(http_, authorizer_, endpoint, std::move(scopes), access);
  return Upload(exchange, endpoint, repository, upload).Run();
}

StatusOr<PushOutcome> RegistryClient::PushBlob(const ImageReference& repository,
                                               const BlobUpload& upload, const Access& access) {
  PushOutcome outcome = PushOutcome::kUploaded;
  const Status status =
      OnEndpoints(repository, false, access, [&](const Endpoint& endpoint) -> Status {
        return WithRetries(endpoint.has_fallback ? 1 : kPushTries, access.cancel, [&]() -> Status {
          ASSIGN_OR_RETURN(outcome, PushBlobAt(endpoint, repository, upload, access));
          return absl::OkStatus();
        });
      });
  RETURN_IF_ERROR_IN(status, absl::StrCat("push blob ", upload.descriptor.digest.ToString()));
  return outcome;
}

Status RegistryClient::PushManifest(const ImageReference& reference, const Descriptor& descriptor,
                                    const std::string& document, const Access& access) {
  const std::string name = reference.tag().empty() ? descriptor.digest.ToString() : reference.tag();
  const auto put_at = [&](const Endpoint& endpoint) -> Status {
    Exchange exchange(http_, authorizer_, endpoint, PushScope(reference), access);
    net::HttpRequest put =
        exchange.Request("PUT", absl::StrCat(reference.repository(), "/manifests/", name));
    put.headers.emplace_back("Content-Type", descriptor.media_type);
    put.body_size = document.size();
    ExchangeOptions options;
    options.open_body = [&document]() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
      return std::make_unique<fs::StringSource>(document);
    };
    ASSIGN_OR_RETURN(const net::HttpResponse response, exchange.Send(put, options));
    return response.ok() ? absl::OkStatus() : PushError(response);
  };
  const Status status = OnEndpoints(reference, false, access, [&](const Endpoint& endpoint) {
    return WithRetries(endpoint.has_fallback ? 1 : kPushTries, access.cancel,
                       [&] { return put_at(endpoint); });
  });
  RETURN_IF_ERROR_IN(status, absl::StrCat("push manifest ", reference.name(), ":", name));
  return absl::OkStatus();
}

}  // namespace cairn::registry
