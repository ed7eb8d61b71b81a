// Frontend: turns a request into refs. Bridge: what a frontend may ask the daemon for. The
// Dockerfile frontend, frontends that are images, and clients that drive the gateway all use the
// same Bridge.
//
// Frontends are stateless and thread-safe. A Bridge belongs to one build and is thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/solver/progress.h"
#include "daemon/solver/ref.h"
#include "proto/ops.pb.h"
#include "proto/source_policy.pb.h"
#include "runtime/base/cancel.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"
#include "runtime/fs/metadata.h"

namespace cairn::solver {

// Rules about sources, for one request (the build's own come on top).
using SourcePolicies = std::vector<moby::buildkit::v1::sourcepolicy::Policy>;

struct FrontendRequest {
  std::map<std::string, std::string> options;    // FrontendAttrs
  std::map<std::string, pb::Definition> inputs;  // FrontendInputs
};

// An attestation that a frontend attached to a result (protocol.md 8.3).
struct Attestation {
  enum class Kind { kInToto, kBundle } kind = Kind::kInToto;
  std::map<std::string, std::string> metadata;
  RefPtr ref;
  std::string path;
  std::string predicate_type;
  struct Subject {
    bool raw = false;  // else the image itself
    std::vector<std::string> digests;
    std::string name;
  };
  std::vector<Subject> subjects;
};

struct FrontendResult {
  // Either a single ref, or refs by platform id; neither for an empty result.
  std::optional<RefPtr> ref;
  std::map<std::string, RefPtr> refs;
  std::map<std::string, std::string> metadata;  // "containerimage.config", "refs.platforms", ...
  std::map<std::string, std::vector<Attestation>> attestations;
};

// Exactly one of `definition` and `frontend` is set; with neither the result is empty.
struct SolveRequest {
  std::optional<pb::Definition> definition;
  std::string frontend;
  FrontendRequest request;
  bool evaluate = false;
  SourcePolicies source_policies;  // for the definition
  // Caches that steps are to be looked up in, too: type and attributes of each.
  std::vector<std::pair<std::string, std::map<std::string, std::string>>> cache_imports;
};

struct ImageConfig {
  std::string reference;  // normalised, with the digest it was pinned to
  Digest digest;          // of the manifest or index that the reference resolved to
  std::string config;     // image config JSON
};

struct ResolveImageRequest {
  std::string reference;
  std::optional<Platform> platform;
  std::string mode;      // "default", "pull", "local"
  std::string log_name;  // vertex name: "[internal] load metadata for ..."
  // From an OCI layout that a session serves instead of a registry.
  bool oci_layout = false;
  std::string session_id;
  std::string store_id;
  SourcePolicies source_policies;
};

// What vouches for an image: documents that lead from the image index to attestations and their
// signatures, for whoever verifies them.
struct AttestationChain {
  Digest root;  // the index
  std::optional<Digest> image_manifest;
  std::optional<Digest> attestation_manifest;
  std::vector<Digest> signature_manifests;
  struct Blob {
    std::string media_type;
    Digest digest;
    std::map<std::string, std::string> annotations;
    std::string data;
  };
  std::vector<Blob> blobs;
};

// What a source is now (LLBBridge.ResolveSourceMeta).
struct SourceMeta {
  pb::SourceOp source;
  std::optional<ImageConfig> image;  // its config is empty when none was wanted
  std::optional<AttestationChain> attestations;
  struct Git {
    std::string checksum;
    std::string ref;
    std::string commit_checksum;
    std::string commit_object;  // as git stores it, when that was asked for
    std::string tag_object;
  };
  std::optional<Git> git;
  struct Http {
    Digest checksum;
    std::string filename;
    std::optional<absl::Time> last_modified;
    std::string suffixed_checksum;  // "sha512:..", when one was asked for
    std::string suffix;
  };
  std::optional<Http> http;
};

struct ResolveSourceRequest {
  pb::SourceOp source;
  std::optional<Platform> platform;
  std::string mode;
  std::string log_name;
  bool no_config = false;
  bool attestation_chain = false;
  std::vector<std::string> attestations;  // predicate types whose statements are wanted too
  // Of a file with `suffix` behind it: what signatures are about.
  struct Checksum {
    std::string algorithm;  // "sha256", "sha384", "sha512"
    std::string suffix;
  };
  std::optional<Checksum> checksum;
  SourcePolicies source_policies;
  bool git_objects = false;  // the commit and the tag themselves
};

struct FileStat {
  std::string path;  // base name
  fs::Kind kind = fs::Kind::kFile;
  fs::Metadata metadata;
  uint64_t size = 0;
  std::string link_target;
  uint64_t device = 0;
};

struct FileRange {
  uint64_t offset = 0;
  uint64_t length = 0;
};

class Job;

class Bridge {
 public:
  virtual ~Bridge() = default;

  // The build it belongs to, for what is not a frontend's business: containers that a driver
  // starts. Null for a bridge without one.
  virtual Job* job() { return nullptr; }

  virtual StatusOr<FrontendResult> Solve(const SolveRequest& request,
                                         const CancelToken& cancel) = 0;

  virtual StatusOr<ImageConfig> ResolveImageConfig(const ResolveImageRequest& request,
                                                   const CancelToken& cancel) = 0;
  virtual StatusOr<SourceMeta> ResolveSourceMeta(const ResolveSourceRequest& request,
                                                 const CancelToken& cancel) = 0;

  // Files of a result. Paths are resolved within its root; absent is kNotFound. ReadFile of
  // anything but a regular file is an error, never empty data.
  virtual StatusOr<std::string> ReadFile(const RefPtr& ref, string_view path,
                                         std::optional<FileRange> range,
                                         const CancelToken& cancel) = 0;
  virtual StatusOr<std::vector<FileStat>> ReadDir(const RefPtr& ref, string_view path,
                                                  string_view include_pattern,
                                                  const CancelToken& cancel) = 0;
  virtual StatusOr<FileStat> StatFile(const RefPtr& ref, string_view path,
                                      const CancelToken& cancel) = 0;

  virtual Status Warn(WarningEvent warning) = 0;

  // Platforms that steps can run on here, the native one first.
  virtual const std::vector<Platform>& platforms() const = 0;
  // FrontendInputs of the build.
  virtual const std::map<std::string, pb::Definition>& inputs() const = 0;
  // Id of the build's first session.
  virtual std::string session_id() const = 0;
};

class Frontend {
 public:
  virtual ~Frontend() = default;
  virtual StatusOr<FrontendResult> Solve(Bridge& bridge, const FrontendRequest& request,
                                         const CancelToken& cancel) = 0;
};

}  // namespace cairn::solver
