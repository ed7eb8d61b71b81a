// ContentFetcher: where an image's documents and layers come from when the store lacks them.
//
// Used by several threads at once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cache/registry/client.h"
#include "cache/registry/descriptor.h"
#include "daemon/session/content_client.h"
#include "runtime/base/cancel.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::source {

class ContentFetcher {
 public:
  virtual ~ContentFetcher() = default;

  // A manifest, index or config of at most 4 MiB, checked against its digest.
  virtual StatusOr<std::string> FetchDocument(const registry::Descriptor& descriptor,
                                              const CancelToken& cancel) = 0;

  // Writes a blob into `sink`; what is there is to be believed only after OK, and the store that
  // takes it checks the digest again.
  virtual Status FetchBlob(const registry::Descriptor& descriptor, fs::ByteSink& sink,
                           const std::function<void(uint64_t)>& progress,
                           const CancelToken& cancel) = 0;

  // "host/repository" of a registry, for mounts across repositories; may be empty.
  virtual std::string origin() const = 0;
};

// From a registry. `client` outlives the fetcher.
std::unique_ptr<ContentFetcher> NewRegistryFetcher(
    registry::RegistryClient& client, registry::ImageReference reference,
    std::unique_ptr<registry::CredentialSource> credentials);

// From a content store that a client serves on its session.
std::unique_ptr<ContentFetcher> NewSessionFetcher(session::ContentClient store);

}  // namespace cairn::source
