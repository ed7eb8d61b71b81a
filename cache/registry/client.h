// RegistryClient speaks the OCI distribution protocol (distribution-spec 1.1): resolve, pull, push.
//
// Digests are computed here from the bytes; what a registry says about a digest only says where to
// look. Mirrors are tried in order before the registry itself. The URLs of a foreign layer are
// asked only when no registry has it and its host's configuration allows that, without credentials,
// and never on this host itself. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cache/registry/auth.h"
#include "cache/registry/credentials.h"
#include "cache/registry/descriptor.h"
#include "cache/registry/hosts.h"
#include "cache/registry/reference.h"
#include "runtime/base/cancel.h"
#include "runtime/fs/byte_stream.h"
#include "runtime/net/http_client.h"

namespace cairn::registry {

class BlobDownload;

// On whose behalf a call is made. Lives as long as the call.
struct Access {
  CredentialSource& credentials;
  CancelToken cancel;
  // Any certificate and plain HTTP are good for this call (registry.insecure).
  bool insecure = false;
};

// What happened to a pushed blob.
enum class PushOutcome { kExisted, kMounted, kUploaded };

class RegistryClient {
 public:
  // `http` and `clock` outlive the client.
  RegistryClient(net::HttpClient& http, HostTable hosts, const Clock& clock);

  // What `reference` names now: media type, digest and size of a manifest or index. With a digest
  // in the reference only its presence is asked for. kNotFound when there is no such image.
  StatusOr<Descriptor> Resolve(const ImageReference& reference, const Access& access);

  // The bytes of a manifest or index of `repository` (tag and digest of the reference are ignored),
  // checked against the descriptor's digest, and its size when that is not 0. A wrong digest is
  // kDataLoss.
  StatusOr<std::string> FetchManifest(const ImageReference& repository,
                                      const Descriptor& descriptor, const Access& access);

  // Writes a blob into `sink` as it comes and checks size and digest at the end: until OK is
  // returned, what is in the sink is not to be believed. An interrupted download is resumed.
  // `progress`, if given, gets the bytes so far.
  Status FetchBlob(const ImageReference& repository, const Descriptor& descriptor,
                   fs::ByteSink& sink, const Access& access,
                   const std::function<void(uint64_t)>& progress = {});

  // How large a blob is that `repository` has. kNotFound when it has no such blob.
  StatusOr<uint64_t> BlobSize(const ImageReference& repository, const Digest& digest,
                              const Access& access);

  // The manifests and artifacts that refer to `subject`, as an index document (referrers API);
  // kNotFound when the registry has none or does not know the API.
  StatusOr<std::string> FetchReferrers(const ImageReference& repository, const Digest& subject,
                                       const Access& access);

  struct BlobUpload {
    Descriptor descriptor;
    // Opens the bytes; called once per try.
    std::function<StatusOr<std::unique_ptr<fs::ByteSource>>()> open;
    // A repository of the same registry that may have the blob already; may be empty.
    std::string mount_from;
    // Bytes sent so far; may be empty.
    std::function<void(uint64_t)> progress;
  };
  // Makes sure that the repository has the blob. kUnauthenticated and kPermissionDenied say "push
  // access denied".
  StatusOr<PushOutcome> PushBlob(const ImageReference& repository, const BlobUpload& upload,
                                 const Access& access);

  // Puts a manifest or index under the reference's tag, or, without one, under its digest.
  Status PushManifest(const ImageReference& reference, const Descriptor& descriptor,
                      const std::string& document, const Access& access);

 private:
  // Runs `attempt` on the endpoints of the reference's host until one gives an answer that counts.
  Status OnEndpoints(const ImageReference& reference, bool pulling, const Access& access,
                     const std::function<Status(const Endpoint&)>& attempt);
  StatusOr<Descriptor> ResolveAt(const Endpoint& endpoint, const ImageReference& reference,
                                 const Access& access);
  // A layer that is not to be distributed, from where its descriptor says.
  Status FetchForeign(const std::string& host, const Descriptor& descriptor, const Access& access,
                      BlobDownload& download);
  Status FetchBlobFrom(const Endpoint& endpoint, const ImageReference& repository,
                       const Descriptor& descriptor, const Access& access, BlobDownload& download);
  StatusOr<PushOutcome> PushBlobAt(const Endpoint& endpoint, const ImageReference& repository,
                                   const BlobUpload& upload, const Access& access);

  net::HttpClient& http_;
  const HostTable hosts_;
  Authorizer authorizer_;
};

}  // namespace cairn::registry
