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
#include <optional>
#include <string>

#include "cache/blob/database.h"
#include "cache/layer/chain.h"
#include "cache/tree/tree_store.h"
#include "runtime/base/cancel.h"
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
  // Clamp every mtime to at most this (Unix seconds): rewrite-timestamp.
  std::optional<int64_t> clamp_mtime;
};

// One layer of an image, ready to be listed in a manifest. The blob is in the store.
struct LayerBlob {
  std::string media_type;
  Digest digest;
  uint64_t size = 0;
  Digest diff_id;
  std::string origin;  // see OriginalBlob::origin
};

class LayerExporter {
 public:
  LayerExporter(tree::TreeStore& trees, blob::Database& database)
      : trees_(trees), database_(database) {}

  // The blob of `layer`: its original where it has one that is stored and `options` allow, else
  // made.
  StatusOr<LayerBlob> Export(const Layer& layer, const LayerOptions& options,
                             const CancelToken& cancel);

  // Writes the whole of `tree` (no delta) as one plain tar: the tar exporter.
  Status WriteTar(const tree::TreeRef& tree, fs::ByteSink& sink, const CancelToken& cancel);

 private:
  tree::TreeStore& trees_;
  blob::Database& database_;
};

}  // namespace cairn::layer
