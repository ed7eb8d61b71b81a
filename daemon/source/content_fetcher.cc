#include "daemon/source/content_fetcher.h"

#include "absl/strings/str_cat.h"
#include "cache/registry/manifest.h"

namespace cairn::source {
namespace {

using registry::Descriptor;

class RegistryFetcher final : public ContentFetcher {
 public:
  RegistryFetcher(registry::RegistryClient& client, registry::ImageReference reference,
                  std::unique_ptr<registry::CredentialSource> credentials)
      : client_(client), reference_(std::move(reference)), credentials_(std::move(credentials)) {}

  StatusOr<std::string> FetchDocument(const Descriptor& descriptor,
                                      const CancelToken& cancel) override {
    const registry::Access access{.credentials = *credentials_, .cancel = cancel};
    if (descriptor.media_type.empty() || registry::IsIndexType(descriptor.media_type) ||
        registry::IsManifestType(descriptor.media_type)) {
      return client_.FetchManifest(reference_, descriptor, access);
    }
    std::string document;
    fs::StringSink sink(&document, registry::kMaxManifestBytes);
    RETURN_IF_ERROR(client_.FetchBlob(reference_, descriptor, sink, access));
    return document;
  }

  Status FetchBlob(const Descriptor& descriptor, fs::ByteSink& sink,
                   const std::function<void(uint64_t)>& progress,
                   const CancelToken& cancel) override {
    return client_.FetchBlob(reference_, descriptor, sink,
                             {.credentials = *credentials_, .cancel = cancel}, progress);
  }

  std::string origin() const override { return reference_.name(); }

 private:
  registry::RegistryClient& client_;
  const registry::ImageReference reference_;
  const std::unique_ptr<registry::CredentialSource> credentials_;
};

class SessionFetcher final : public ContentFetcher {
 public:
  explicit SessionFetcher(session::ContentClient store) : store_(std::move(store)) {}

  StatusOr<std::string> FetchDocument(const Descriptor& descriptor,
                                      const CancelToken& cancel) override {
    return store_.ReadAll(descriptor.digest, registry::kMaxManifestBytes, cancel);
  }

  Status FetchBlob(const Descriptor& descriptor, fs::ByteSink& sink,
                   const std::function<void(uint64_t)>& progress,
                   const CancelToken& cancel) override {
    uint64_t done = 0;
    return store_.Read(
        descriptor.digest, 0, 0,
        [&](string_view data) -> Status {
          done += data.size();
          if (done > descriptor.size) {
            return absl::DataLossError(absl::StrCat("blob ", descriptor.digest.ToString(),
                                                    ": more bytes than its descriptor says"));
          }
          progress(done);
          return sink.Write(data);
        },
        cancel);
  }

  std::string origin() const override { return ""; }

 private:
  const session::ContentClient store_;
};

}  // namespace

std::unique_ptr<ContentFetcher> NewRegistryFetcher(
    registry::RegistryClient& client, registry::ImageReference reference,
    std::unique_ptr<registry::CredentialSource> credentials) {
  return std::make_unique<RegistryFetcher>(client, std::move(reference), std::move(credentials));
}

std::unique_ptr<ContentFetcher> NewSessionFetcher(session::ContentClient store) {
  return std::make_unique<SessionFetcher>(std::move(store));
}

}  // namespace cairn::source
