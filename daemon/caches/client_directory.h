// A cache in a directory of the client: an OCI layout that its session serves ("local:<path>").
//
// The client keeps the layout's index.json; here are only blobs. Thread-safe; the session manager
// outlives both.
#pragma once

#include <string>

#include "cache/remote/places.h"
#include "daemon/session/session_group.h"
#include "daemon/session/session_manager.h"

namespace cairn::caches {

class DirectorySource final : public remote::CacheSource {
 public:
  DirectorySource(session::SessionManager& sessions, session::SessionGroup group,
                  std::string directory, const Digest& digest)
      : sessions_(sessions),
        group_(std::move(group)),
        store_id_("local:" + std::move(directory)),
        digest_(digest) {}

  StatusOr<registry::Descriptor> Resolve(const CancelToken& cancel) override;
  StatusOr<std::string> ReadManifest(const registry::Descriptor& descriptor,
                                     const CancelToken& cancel) override;
  Status Fetch(const registry::Descriptor& descriptor, fs::ByteSink& sink,
               const CancelToken& cancel) override;

 private:
  session::SessionManager& sessions_;
  const session::SessionGroup group_;
  const std::string store_id_;
  const Digest digest_;
};

class DirectoryTarget final : public remote::CacheTarget {
 public:
  DirectoryTarget(session::SessionManager& sessions, session::SessionGroup group,
                  std::string directory)
      : sessions_(sessions), group_(std::move(group)), store_id_("local:" + std::move(directory)) {}

  Status PutBlob(const registry::Descriptor& descriptor, const std::string& origin,
                 const Open& open, const CancelToken& cancel) override;
  Status PutManifest(const registry::Descriptor& descriptor, const std::string& document,
                     const CancelToken& cancel) override;

 private:
  session::SessionManager& sessions_;
  const session::SessionGroup group_;
  const std::string store_id_;
};

}  // namespace cairn::caches
