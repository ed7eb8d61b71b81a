// ImageContent: where the documents and layers of an image are read from: a repository of a
// registry, or an OCI layout that a client serves over its session.
//
// Thread-safe. What is read is checked against its digest.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cache/registry/client.h"
#include "cache/registry/descriptor.h"
#include "daemon/session/content_client.h"
#include "daemon/session/session_group.h"
#include "daemon/session/session_manager.h"
#include "daemon/source/session_credentials.h"
#include "runtime/base/cancel.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::source {

class ImageContent {
 public:
  virtual ~ImageContent() = default;

  // A manifest or index.
  virtual StatusOr<std::string> FetchManifest(const registry::Descriptor& descriptor) = 0;
  // Writes a blob into `sink` as it comes: until OK is returned, what is in there is not to be
  // believed. `progress`, if given, gets the bytes so far.
  virtual Status FetchBlob(const registry::Descriptor& descriptor, fs::ByteSink& sink,
                           const std::function<void(uint64_t)>& progress) = 0;
  Status FetchBlob(const registry::Descriptor& descriptor, fs::ByteSink& sink) {
    return FetchBlob(descriptor, sink, {});
  }
  // The index of what refers to the manifest `subject`. kNotFound where no such list is kept.
  virtual StatusOr<std::string> FetchReferrers(const Digest& subject) = 0;
};

// The repository of a reference. `registry` and the credentials of `access` outlive it.
class RepositoryContent final : public ImageContent {
 public:
  RepositoryContent(registry::RegistryClient& registry, registry::ImageReference repository,
                    const registry::Access& access)
      : registry_(registry), repository_(std::move(repository)), access_(access) {}

  StatusOr<std::string> FetchManifest(const registry::Descriptor& descriptor) override;
  Status FetchBlob(const registry::Descriptor& descriptor, fs::ByteSink& sink,
                   const std::function<void(uint64_t)>& progress) override;
  StatusOr<std::string> FetchReferrers(const Digest& subject) override;

 private:
  registry::RegistryClient& registry_;
  const registry::ImageReference repository_;
  const registry::Access access_;
};

// The layout that a client serves as `store`.
class LayoutContent final : public ImageContent {
 public:
  // Finds the session that has `image` in its store of that name: `preferred` (may be empty), else
  // any of `sessions`. kNotFound when none has.
  static StatusOr<std::unique_ptr<LayoutContent>> Open(session::SessionManager& manager,
                                                       const session::SessionGroup& sessions,
                                                       const std::string& preferred,
                                                       const std::string& store,
                                                       const Digest& image,
                                                       const CancelToken& cancel);

  // Of `image`, without a media type.
  const registry::Descriptor& image() const { return image_; }

  StatusOr<std::string> FetchManifest(const registry::Descriptor& descriptor) override;
  Status FetchBlob(const registry::Descriptor& descriptor, fs::ByteSink& sink,
                   const std::function<void(uint64_t)>& progress) override;
  StatusOr<std::string> FetchReferrers(const Digest& subject) override;

 private:
  LayoutContent(session::ContentClient client, registry::Descriptor image, CancelToken cancel)
      : client_(std::move(client)), image_(std::move(image)), cancel_(std::move(cancel)) {}

  const session::ContentClient client_;
  const registry::Descriptor image_;
  const CancelToken cancel_;
};

// "name@digest", what an oci-layout:// source names. The digest is required; a name that is none
// for a registry is replaced, as it is only shown to people.
StatusOr<registry::ImageReference> ParseLayoutReference(string_view text);

}  // namespace cairn::source
