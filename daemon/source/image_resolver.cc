#include "daemon/source/image_resolver.h"

#include "absl/strings/str_cat.h"

namespace cairn::source {

using registry::Descriptor;
using registry::ImageReference;

StatusOr<Descriptor> ImageResolver::FindTarget(const ImageReference& reference,
                                               const std::string& mode,
                                               const session::SessionGroup& sessions,
                                               const CancelToken& cancel) {
  if (mode == "local") {
    ASSIGN_OR_RETURN(const std::optional<registry::ImageRecord> own, images_.Find(reference));
    if (!own.has_value()) {
      return absl::NotFoundError(
          absl::StrCat(reference.ToString(), ": not among this daemon's images"));
    }
    return own->target;
  }
  if (mode != "default" && mode != "pull" && !mode.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("invalid image resolve mode: ", mode));
  }
  if (mode != "pull" && reference.digest().has_value()) {
    // What a digest names does not change; the document says what it is when it is read.
    const StatusOr<blob::BlobInfo> stored = blobs_.Stat(*reference.digest());
    if (stored.ok()) {
      return Descriptor{.digest = stored->digest, .size = stored->size};
    }
  }
  const std::unique_ptr<registry::CredentialSource> credentials = credentials_.For(sessions);
  StatusOr<Descriptor> found =
      registry_.Resolve(reference, {.credentials = *credentials, .cancel = cancel});
  if (found.ok() || mode == "pull" || absl::IsCancelled(found.status())) {
    return found;
  }
  ASSIGN_OR_RETURN(const std::optional<registry::ImageRecord> own, images_.Find(reference));
  if (own.has_value()) {
    return own->target;
  }
  return found;
}

StatusOr<LocatedImage> ImageResolver::Locate(const std::string& name, const std::string& mode,
                                             const session::SessionGroup& sessions,
                                             const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const ImageReference reference, ImageReference::Parse(name));
  ASSIGN_OR_RETURN(Descriptor target, FindTarget(reference, mode, sessions, cancel));
  const ImageReference pinned = reference.WithDigest(target.digest);
  return LocatedImage{.reference = pinned,
                      .target = std::move(target),
                      .fetcher = NewRegistryFetcher(registry_, pinned, credentials_.For(sessions))};
}

}  // namespace cairn::source
