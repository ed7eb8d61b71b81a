// A cache in a registry: an image reference whose manifest is the cache, or an image with one.
//
// Thread-safe. The client outlives both; credentials are asked for anew with each call, as a cache
// may be used longer than the build that brought it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cache/registry/client.h"
#include "cache/registry/credentials.h"
#include "cache/registry/reference.h"
#include "cache/remote/places.h"

namespace cairn::remote {

using MakeCredentials = std::function<std::unique_ptr<registry::CredentialSource>()>;

class RegistrySource final : public CacheSource {
 public:
  RegistrySource(registry::RegistryClient& client, registry::ImageReference reference,
                 bool insecure, MakeCredentials credentials)
      : client_(client),
        reference_(std::move(reference)),
        insecure_(insecure),
        credentials_(std::move(credentials)) {}

  StatusOr<registry::Descriptor> Resolve(const CancelToken& cancel) override;
  StatusOr<std::string> ReadManifest(const registry::Descriptor& descriptor,
                                     const CancelToken& cancel) override;
  Status Fetch(const registry::Descriptor& descriptor, fs::ByteSink& sink,
               const CancelToken& cancel) override;

 private:
  registry::RegistryClient& client_;
  const registry::ImageReference reference_;
  const bool insecure_;
  const MakeCredentials credentials_;
};

class RegistryTarget final : public CacheTarget {
 public:
  RegistryTarget(registry::RegistryClient& client, registry::ImageReference reference,
                 bool insecure, MakeCredentials credentials)
      : client_(client),
        reference_(std::move(reference)),
        insecure_(insecure),
        credentials_(std::move(credentials)) {}

  Status PutBlob(const registry::Descriptor& descriptor, const std::string& origin,
                 const Open& open, const CancelToken& cancel) override;
  Status PutManifest(const registry::Descriptor& descriptor, const std::string& document,
                     const CancelToken& cancel) override;

 private:
  registry::RegistryClient& client_;
  const registry::ImageReference reference_;
  const bool insecure_;
  const MakeCredentials credentials_;
};

}  // namespace cairn::remote
