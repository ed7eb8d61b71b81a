// Writes a delta as a layer's tar stream, the same bytes for the same delta.
//
// Entries come in Walk order: a directory before what is in it, siblings by name. Whiteouts are
// ".wh." entries and opaque markers (OCI image-spec layer.md); later files of a link group are hard
// links to the first. As in layers of other builders, the root has no entry, a touched directory
// has one only for what is below it, and of the extended attributes only capabilities are written.
#pragma once

#include <cstdint>
#include <optional>

#include "cache/tree/tree_store.h"
#include "runtime/base/cancel.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::layer {

// Where a tar stream goes that wants to know its structure.
class EntrySink : public fs::ByteSink {
 public:
  // Comes before the bytes of an entry with `data_size` bytes of data. `mark` is a number that
  // depends on the entry alone.
  virtual Status BeginEntry(uint64_t data_size, uint64_t mark) = 0;
};

struct TarStreamOptions {
  std::optional<int64_t> clamp_mtime;  // Unix seconds
};

Status WriteTarStream(tree::TreeStore& trees, const tree::TreeRef& delta,
                      const TarStreamOptions& options, EntrySink& sink, const CancelToken& cancel);

}  // namespace cairn::layer
