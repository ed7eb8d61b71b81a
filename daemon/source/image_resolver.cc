#include "daemon/source/image_resolver.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::source {
namespace {

constexpr uint64_t kMaxBlob = 16 << 20;

std::string SeenKey(const registry::ImageReference& reference, const Digest& manifest) {
  return absl::StrCat("manifest ", manifest.hex(), " ", reference.host(), "/",
                      reference.repository());
}

}  // namespace

StatusOr<std::optional<registry::Descriptor>> ImageResolver::FindHeld(
    const registry::ImageReference& reference) {
  ASSIGN_OR_RETURN(const std::optional<gc::Image> image,
                   images_.Get(reference.WithoutDigest().ToString()));
  if (!image.has_value() ||
      (reference.digest().has_value() && *reference.digest() != image->digest)) {
    return std::nullopt;
  }
  return registry::Descriptor{
      .media_type = image->media_type, .digest = image->digest, .size = image->size};
}

StatusOr<bool> ImageResolver::SeenIn(const registry::ImageReference& reference,
                                     const Digest& manifest) {
  ASSIGN_OR_RETURN(const std::optional<std::string> seen,
                   database_.Get(blob::Table::kSources, SeenKey(reference, manifest)));
  return seen.has_value();
}

Status ImageResolver::RememberSeen(const registry::ImageReference& reference,
                                   const Digest& manifest) {
  ASSIGN_OR_RETURN(const bool known, SeenIn(reference, manifest));
  return known ? absl::OkStatus()
               : database_.Put(blob::Table::kSources, SeenKey(reference, manifest), "");
}

StatusOr<ImageResolver::Located> ImageResolver::Locate(const registry::ImageReference& reference,
                                                       const std::string& mode,
                                                       const registry::Access& access) {
  ASSIGN_OR_RETURN(const std::optional<registry::Descriptor> held, FindHeld(reference));
  if (mode == "local" && held.has_value()) {
    return Located{.descriptor = *held};
  }
  if (reference.digest().has_value()) {
    ASSIGN_OR_RETURN(const bool stored, blobs_.Contains(*reference.digest()));
    ASSIGN_OR_RETURN(const bool seen, SeenIn(reference, *reference.digest()));
    if (stored && seen) {
      return Located{.descriptor = {.digest = *reference.digest()}, .in_repository = true};
    }
  }
  if (held.has_value() && mode != "pull" && unreachable_.Contains(reference.host(), absl::Now())) {
    return Located{.descriptor = *held};
  }
  auto resolved = registry_.Resolve(reference, access);
  if (absl::IsUnavailable(resolved.status()) || absl::IsDeadlineExceeded(resolved.status())) {
    unreachable_.Add(reference.host(), absl::Now());
  }
  if (!resolved.ok() && held.has_value() && !absl::IsCancelled(resolved.status())) {
    return Located{.descriptor = *held};
  }
  RETURN_IF_ERROR(resolved.status());
  return Located{.descriptor = *resolved, .in_repository = true};
}

StatusOr<std::string> ImageResolver::LoadManifest(ImageContent& content,
                                                  const registry::Descriptor& descriptor) {
  auto stored = blobs_.Read(descriptor.digest, registry::kMaxManifestBytes);
  if (stored.ok()) {
    return stored;
  }
  ASSIGN_OR_RETURN(std::string document, content.FetchManifest(descriptor));
  RETURN_IF_ERROR(blobs_.Put(document).status());
  return document;
}

StatusOr<std::string> ImageResolver::LoadBlob(ImageContent& content,
                                              const registry::Descriptor& descriptor) {
  auto stored = blobs_.Read(descriptor.digest, kMaxBlob);
  if (stored.ok()) {
    return stored;
  }
  std::string blob;
  fs::StringSink sink(&blob, kMaxBlob);
  RETURN_IF_ERROR(content.FetchBlob(descriptor, sink));
  RETURN_IF_ERROR(blobs_.Put(blob).status());
  return blob;
}

StatusOr<ResolvedImage> ImageResolver::ResolveIn(ImageContent& content,
                                                 const registry::ImageReference& name,
                                                 const registry::Descriptor& top,
                                                 const Platform& platform) {
  const std::string context = name.ToString();
  ASSIGN_OR_RETURN_IN(std::string text, LoadManifest(content, top), context);
  registry::Descriptor chosen = top;
  ASSIGN_OR_RETURN_IN(const bool index, registry::IsIndexDocument(top.media_type, text), context);
  if (index) {
    ASSIGN_OR_RETURN_IN(const registry::Index parsed_index, registry::ParseIndex(text), context);
    const std::optional<registry::Descriptor> match =
        registry::SelectPlatform(parsed_index, platform);
    if (!match.has_value()) {
      return absl::NotFoundError("no match for platform in manifest: not found");
    }
    chosen = *match;
    ASSIGN_OR_RETURN_IN(text, LoadManifest(content, chosen), context);
  }
  ASSIGN_OR_RETURN_IN(registry::Manifest manifest, registry::ParseManifest(text), context);
  ASSIGN_OR_RETURN_IN(std::string config, LoadBlob(content, manifest.config), context);
  RETURN_IF_ERROR(ledger_.Add({.identity = absl::StrCat("resolved:", chosen.digest.hex()),
                               .description = "image config of " + name.Familiar(),
                               .blobs = {top.digest, chosen.digest, manifest.config.digest}}));
  return ResolvedImage{.reference = name.WithDigest(top.digest),
                       .top = top.digest,
                       .manifest = chosen,
                       .document = std::move(manifest),
                       .config = std::move(config)};
}

StatusOr<ResolvedImage> ImageResolver::Resolve(const std::string& reference,
                                               const Platform& platform, const std::string& mode,
                                               const registry::Access& access) {
  ASSIGN_OR_RETURN(const registry::ImageReference parsed,
                   registry::ImageReference::Parse(reference));
  StatusOr<Located> found = Locate(parsed, mode, access);
  if (!found.ok()) {
    // What is not there was named already.
    return absl::IsNotFound(found.status()) ? found.status()
                                            : Annotate(found.status(), parsed.ToString());
  }
  const Located located = *std::move(found);
  RepositoryContent content(registry_, parsed, access);
  ASSIGN_OR_RETURN(ResolvedImage image, ResolveIn(content, parsed, located.descriptor, platform));
  if (located.in_repository) {
    RETURN_IF_ERROR(RememberSeen(parsed, image.top));
    RETURN_IF_ERROR(RememberSeen(parsed, image.manifest.digest));
  }
  return image;
}

}  // namespace cairn::source
