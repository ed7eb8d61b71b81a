// ImageResolver: from an image's name and a platform to its manifest and config.
//
// An image of a client's OCI layout is always asked of the client. For one of a registry, asks
// the registry (mirrors first), or the daemon's own image store: first when the mode is
// "local", else when the registry cannot say. Manifests and configs are kept in the blob store, so
// that an image pinned by digest is resolved without the network: but only by the name of a
// repository that was seen to have it, as a digest alone must not open what is private elsewhere.
//
// Thread-safe. All references outlive it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cache/blob/blob_store.h"
#include "cache/gc/image_store.h"
#include "cache/gc/ledger.h"
#include "cache/registry/client.h"
#include "cache/registry/manifest.h"
#include "daemon/solver/frontend.h"
#include "daemon/source/image_content.h"
#include "daemon/source/unreachable_hosts.h"
#include "runtime/base/platform.h"

namespace cairn::source {

struct ResolvedImage {
  registry::ImageReference reference;  // pinned: what it named, with `top`
  Digest top;                          // the index or manifest that the reference names
  registry::Descriptor manifest;       // the one for the platform
  registry::Manifest document;
  std::string config;  // image config JSON
};

class ImageResolver {
 public:
  ImageResolver(registry::RegistryClient& registry, gc::ImageStore& images, blob::BlobStore& blobs,
                blob::Database& database, gc::Ledger& ledger)
      : registry_(registry), images_(images), blobs_(blobs), database_(database), ledger_(ledger) {}

  // Of a registry. `mode` is "default", "pull" or "local". kNotFound when there is no such image,
  // or none for `platform`.
  StatusOr<ResolvedImage> Resolve(const std::string& reference, const Platform& platform,
                                  const std::string& mode, const registry::Access& access);

  // The image `top` of `content`, which people know as `name`. kNotFound as above.
  StatusOr<ResolvedImage> ResolveIn(ImageContent& content, const registry::ImageReference& name,
                                    const registry::Descriptor& top, const Platform& platform);

  // What vouches for the image that Resolve finds: its index, its attestation manifest with the
  // statements of `predicate_types`, and what signs it. nullopt for an image that is no index;
  // attestations and signatures that are not there are left out.
  StatusOr<std::optional<solver::AttestationChain>> ResolveAttestations(
      const std::string& reference, const Platform& platform, const std::string& mode,
      const std::vector<std::string>& predicate_types, const registry::Access& access);
  // The same for the image that ResolveIn finds.
  StatusOr<std::optional<solver::AttestationChain>> ResolveAttestationsIn(
      ImageContent& content, const registry::ImageReference& name, registry::Descriptor top,
      const Platform& platform, const std::vector<std::string>& predicate_types);

 private:
  // What the daemon's own image store has under that name.
  StatusOr<std::optional<registry::Descriptor>> FindHeld(const registry::ImageReference& reference);
  // Whether the repository of `reference` was seen to have `manifest`.
  StatusOr<bool> SeenIn(const registry::ImageReference& reference, const Digest& manifest);
  Status RememberSeen(const registry::ImageReference& reference, const Digest& manifest);

  struct Located {
    registry::Descriptor descriptor;
    bool in_repository = false;  // rather than only among the daemon's own images
  };
  // What `reference` names, without looking inside.
  StatusOr<Located> Locate(const registry::ImageReference& reference, const std::string& mode,
                           const registry::Access& access);
  StatusOr<std::string> LoadManifest(ImageContent& content, const registry::Descriptor& descriptor);
  // A config or another small blob.
  StatusOr<std::string> LoadBlob(ImageContent& content, const registry::Descriptor& descriptor);
  // A manifest, which becomes part of `chain`.
  StatusOr<std::string> AddChainManifest(ImageContent& content,
                                         const registry::Descriptor& descriptor,
                                         solver::AttestationChain* chain);
  Status AddSignature(ImageContent& content, solver::AttestationChain* chain);

  registry::RegistryClient& registry_;
  gc::ImageStore& images_;
  blob::BlobStore& blobs_;
  blob::Database& database_;
  gc::Ledger& ledger_;
  UnreachableHosts unreachable_;
};

}  // namespace cairn::source
