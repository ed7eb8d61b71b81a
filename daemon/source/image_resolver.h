// ImageResolver: an image's name -> what it stands for now, and where its content is.
//
// Modes as of LLB's image.resolvemode: "default" asks the registry (a digest that is in the store
// needs no asking) and falls back to the daemon's own image of that name when the registry does not
// give an answer; "pull" only asks the registry; "local" only the daemon's own images. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "cache/blob/blob_store.h"
#include "cache/registry/client.h"
#include "cache/registry/image_store.h"
#include "daemon/session/session_group.h"
#include "daemon/source/content_fetcher.h"
#include "daemon/source/image_documents.h"
#include "daemon/source/session_credentials.h"

namespace cairn::source {

struct LocatedImage {
  registry::ImageReference reference;  // with the digest that it stands for
  registry::Descriptor target;
  std::unique_ptr<ContentFetcher> fetcher;
};

class ImageResolver {
 public:
  // All outlive the resolver.
  ImageResolver(blob::BlobStore& blobs, registry::RegistryClient& registry,
                registry::ImageStore& images, CredentialBroker& credentials)
      : blobs_(blobs), registry_(registry), images_(images), credentials_(credentials) {}

  // kInvalidArgument for a name or mode that is none; the registry's own error when there is no
  // such image anywhere.
  StatusOr<LocatedImage> Locate(const std::string& name, const std::string& mode,
                                const session::SessionGroup& sessions, const CancelToken& cancel);

 private:
  StatusOr<registry::Descriptor> FindTarget(const registry::ImageReference& reference,
                                            const std::string& mode,
                                            const session::SessionGroup& sessions,
                                            const CancelToken& cancel);

  blob::BlobStore& blobs_;
  registry::RegistryClient& registry_;
  registry::ImageStore& images_;
  CredentialBroker& credentials_;
};

}  // namespace cairn::source
