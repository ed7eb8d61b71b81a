// CacheDocument: what a cache elsewhere says of steps: step key -> what the step came to.
//
// It travels in BuildKit's containers: the text is a cache config ("layers" and "records"), whose
// records carry what is ours in a member of their own, so that registries and other tools treat it
// as any build cache. BuildKit's own records have no such member and are passed over; ours mean
// nothing to BuildKit, as the two daemons' keys are of different things.
//
//   {"layers":[{"blob":"sha256:...","parent":-1}],
//    "records":[{"digest":"<step key>",
//                "cairn":{"version":1,
//                         "outputs":[{"base":0,"content":"sha256:...","layers":[0]}],
//                         "selections":[{"content":"...","selection":"...","result":"..."}],
//                         "milliseconds":12}}]}
//
// "layers" is absent for an output that is known only by its content. Inline, in an image's config,
// there are only the records, and layers are the image's. No pre-images: who may read a cache need
// not see commands and arguments. Plain values; the functions are pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/registry/descriptor.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::remote {

// Media type of a cache config, and the member of an image config that holds one inline.
inline constexpr char kCacheConfigType[] = "application/vnd.buildkit.cacheconfig.v0";
inline constexpr char kInlineCacheKey[] = "moby.buildkit.cache.v0";
// Annotations of a layer: its diff ID, and when it was first exported.
inline constexpr char kDiffIdAnnotation[] = "containerd.io/uncompressed";
inline constexpr char kCreatedAnnotation[] = "buildkit/createdat";

struct DocumentLayer {
  registry::Descriptor blob;
  std::optional<Digest> diff_id;  // nullopt: the document does not say
  absl::Time created = absl::InfinitePast();
};

struct DocumentOutput {
  // Index of the step input that the layers lie on; -1 for none.
  int base_input = -1;
  // Content digest of the whole.
  Digest content;
  // Indices of the document's layers; nullopt when only the content is known.
  std::optional<std::vector<size_t>> layers;
};

// The content digest of a selection of a tree with this content (see steps: a key's inputs).
struct DocumentSelection {
  Digest content;
  Digest selection;
  Digest result;
  friend bool operator==(const DocumentSelection&, const DocumentSelection&) = default;
};

struct DocumentRecord {
  Digest key;
  std::vector<DocumentOutput> outputs;
  std::vector<DocumentSelection> selections;  // that the key was made of
  absl::Duration duration;                    // of the run; zero when not told
};

struct CacheDocument {
  std::vector<DocumentLayer> layers;
  std::vector<DocumentRecord> records;
};

// The cache config of `document`. Durations are cut to milliseconds.
std::string EncodeConfig(const CacheDocument& document);

// Only the records, for an image's config: without durations, as the image's digest is to depend on
// what was built alone.
std::string EncodeRecords(const std::vector<DocumentRecord>& records);

// Reads a config whose layers are described by `blobs` (other entries are not looked at) or records
// that refer to `layers`. Records that are not ours, that are malformed, or that name layers which
// are not there are left out: they are misses. kInvalidArgument when the text is no such document.
StatusOr<CacheDocument> DecodeConfig(string_view text,
                                     const std::vector<registry::Descriptor>& blobs);
StatusOr<CacheDocument> DecodeRecords(string_view text, std::vector<DocumentLayer> layers);

}  // namespace cairn::remote
