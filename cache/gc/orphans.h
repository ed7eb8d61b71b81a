// Blobs that no record names, in an order in which they can be removed.
#pragma once

#include <vector>

#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/gc/reference_graph.h"

namespace cairn::gc {

// Every blob of the store without a node in the reference graph, each directory before what is in
// it. What is a directory is found by decoding: the store does not know. A file that happens to
// decode as one is only kept together with what it names.
StatusOr<std::vector<DeadBlob>> FindOrphans(blob::Database& database, blob::BlobStore& blobs);

}  // namespace cairn::gc
