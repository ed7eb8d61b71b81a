#include "daemon/source/image_documents.h"

#include "absl/strings/str_cat.h"

namespace cairn::source {
namespace {

// Indexes in indexes: more than a few levels is an attack.
constexpr int kMaxIndexDepth = 4;

}  // namespace

StatusOr<std::string> ReadDocument(blob::BlobStore& blobs, ContentFetcher& fetcher,
                                   const registry::Descriptor& descriptor,
                                   const CancelToken& cancel) {
  StatusOr<std::string> stored = blobs.Read(descriptor.digest, registry::kMaxManifestBytes);
  if (stored.ok() || absl::IsResourceExhausted(stored.status())) {
    return stored;
  }
  ASSIGN_OR_RETURN(std::string document, fetcher.FetchDocument(descriptor, cancel));
  ASSIGN_OR_RETURN(const Digest digest, blobs.Put(document));
  if (digest != descriptor.digest) {
    return absl::DataLossError(
        absl::StrCat("fetched ", digest.ToString(), " instead of ", descriptor.digest.ToString()));
  }
  return document;
}

StatusOr<ImageDocuments> ReadImageDocuments(blob::BlobStore& blobs, ContentFetcher& fetcher,
                                            const std::string& name,
                                            const registry::Descriptor& target,
                                            const Platform& platform, const CancelToken& cancel) {
  registry::Descriptor current = target;
  std::string document;
  for (int depth = 0;; ++depth) {
    ASSIGN_OR_RETURN(document, ReadDocument(blobs, fetcher, current, cancel));
    ASSIGN_OR_RETURN_IN(const bool index, registry::IsIndexDocument(current.media_type, document),
                        name);
    if (!index) {
      break;
    }
    if (depth >= kMaxIndexDepth) {
      return absl::InvalidArgumentError(absl::StrCat(name, ": indexes nested too deeply"));
    }
    ASSIGN_OR_RETURN_IN(const registry::Index parsed, registry::ParseIndex(document), name);
    std::optional<registry::Descriptor> chosen = registry::SelectPlatform(parsed, platform);
    if (!chosen.has_value()) {
      return absl::NotFoundError(absl::StrCat(
          name, ": no match for platform in manifest: ", platform.ToString(), ": not found"));
    }
    current = *std::move(chosen);
  }
  ASSIGN_OR_RETURN_IN(registry::Manifest parsed, registry::ParseManifest(document), name);
  if (current.media_type.empty()) {
    current.media_type = parsed.media_type;
  }
  current.size = document.size();
  ASSIGN_OR_RETURN_IN(std::string config, ReadDocument(blobs, fetcher, parsed.config, cancel),
                      absl::StrCat("config of ", name));
  registry::ImageConfigInfo info;
  if (parsed.config.media_type != registry::media_type::kOciEmpty) {
    ASSIGN_OR_RETURN_IN(info, registry::ParseImageConfig(config), absl::StrCat("config of ", name));
  }
  return ImageDocuments{.target = target,
                        .manifest = std::move(current),
                        .parsed = std::move(parsed),
                        .config = std::move(config),
                        .config_info = std::move(info)};
}

}  // namespace cairn::source
