// Image manifests, indexes and configs (OCI image-spec manifest.md, image-index.md, config.md;
// Docker's schema 2), parsed and written.
//
// Parsing is strict where two readers could differ: duplicate keys, data after the document, a
// document that is both a manifest and an index, or a mediaType that contradicts what it was
// announced as are kInvalidArgument. Unknown fields are ignored: whoever passes a document on keeps
// its bytes. At most 4 MiB, 32 levels, 10000 descriptors.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cache/registry/descriptor.h"
#include "runtime/base/status.h"

namespace cairn::registry {

inline constexpr uint64_t kMaxManifestBytes = 4 << 20;

struct Manifest {
  std::string media_type;
  std::string artifact_type;
  Descriptor config;
  std::vector<Descriptor> layers;
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations;
};

struct Index {
  std::string media_type;
  std::vector<Descriptor> manifests;
  std::map<std::string, std::string> annotations;
};

// What cairn needs of an image config.
struct ImageConfigInfo {
  Platform platform;
  std::optional<absl::Time> created;  // nothing when it is missing or malformed
  std::vector<Digest> diff_ids;
};

// Whether `document`, announced as `media_type` (may be empty), is an index (true) or a manifest.
StatusOr<bool> IsIndexDocument(string_view media_type, string_view document);

StatusOr<Manifest> ParseManifest(string_view document);
StatusOr<Index> ParseIndex(string_view document);
StatusOr<ImageConfigInfo> ParseImageConfig(string_view document);

// JSON indented by two spaces, fields in the specification's order.
std::string SerializeManifest(const Manifest& manifest);
std::string SerializeIndex(const Index& index);
// One descriptor as compact JSON.
std::string SerializeDescriptor(const Descriptor& descriptor);
StatusOr<Descriptor> ParseDescriptor(string_view json);

// The entry of `index` for `wanted`: an equal platform first, then the best variant that runs on
// it, in the index's order; of Windows versions the newest that runs there. Attestation manifests
// and unknown platforms are never chosen; an entry without a platform only when nothing else fits.
// nullopt when there is none.
std::optional<Descriptor> SelectPlatform(const Index& index, const Platform& wanted);

}  // namespace cairn::registry
