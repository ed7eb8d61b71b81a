// Streams a delta into a layer tar, compresses it, and remembers the result.
//
// The tar is deterministic: entries in Walk order, PAX only where USTAR cannot say it, whiteouts as
// ".wh." entries, hard links to the first path of their group, no uname or gname. The memory is the
// table kLayers: (delta, compression, rewritten time) -> descriptor, whose blob is in the store or
// can be made again. Compression is chunked along the tar at content-defined points, and a chunk's
// compressed form is remembered, so a layer of which one file changed recompresses one chunk.
//
// Thread-safe; two callers that want one layer share the work.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cache/blob/database.h"
#include "cache/layer/chain.h"
#include "cache/layer/keyed_lock.h"
#include "cache/tree/tree_store.h"
#include "runtime/base/cancel.h"
#include "runtime/base/thread_pool.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::layer {

enum class Compression { kNone, kGzip, kZstd };

struct LayerOptions {
  Compression compression = Compression::kGzip;
  std::optional<int> level;
  // Recompress layers that came with an image in another compression.
  bool force = false;
  // OCI media types, else Docker's.
  bool oci_media_types = true;
  // Layers that are not to be distributed keep their types and URLs, for who reads the manifest to
  // get them there; else they become layers like any other.
  bool keep_nondistributable = false;
  // Clamp every mtime to at most this (Unix seconds): rewrite-timestamp.
  std::optional<int64_t> clamp_mtime;
};

// One layer of an image, ready to be listed in a manifest. The blob is in the store.
struct LayerBlob {
  std::string media_type;
  Digest digest;
  uint64_t size = 0;
  Digest diff_id;
  std::string origin;             // see OriginalBlob::origin
  std::vector<std::string> urls;  // of a layer that is not to be distributed
};

class LayerExporter {
 public:
  // Both outlive the exporter. `threads` compress, for all exports together.
  LayerExporter(tree::TreeStore& trees, blob::Database& database, int threads = 2);
  ~LayerExporter();

  // The blob of `layer`: its original where it has one that is stored, recompressed if `options`
  // force that (it is never rewritten to another time), else made. kNotFound when bytes of the
  // layer are gone; kDataLoss when the original's are wrong.
  StatusOr<LayerBlob> Export(const Layer& layer, const LayerOptions& options,
                             const CancelToken& cancel);

  // The blob that `layer` came as, or was last made into (gzip before zstd before plain, at the
  // default level); nullopt when it is not stored. Makes nothing.
  std::optional<LayerBlob> Find(const Layer& layer);

  // `blob`, which is stored, is what exporting `layer` in `compression` at the default level gives:
  // the next such export makes nothing. For a layer that came from a cache elsewhere.
  Status Remember(const Layer& layer, const LayerBlob& blob, Compression compression);

  // When the layer was first exported, anywhere: `now` unless something is remembered. Stays the
  // same from build to build, so that a rebuild has the digests of the build before.
  StatusOr<absl::Time> FirstExported(const Layer& layer, absl::Time now);

 private:
  // What was made under `key`, if it is still stored.
  StatusOr<std::optional<LayerBlob>> Recall(const std::string& key, const LayerOptions& options);
  // The original's tar, byte for byte, in another compression: a layer that came with an image is
  // known by its diff ID.
  StatusOr<LayerBlob> Recompress(const OriginalBlob& original, const LayerOptions& options,
                                 const CancelToken& cancel);
  StatusOr<LayerBlob> Make(const tree::TreeRef& delta, const LayerOptions& options,
                           const CancelToken& cancel);

  tree::TreeStore& trees_;
  blob::Database& database_;
  KeyedLock making_;
  ThreadPool compressors_;
};

}  // namespace cairn::layer
