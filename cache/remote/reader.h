// Reads the documents of a cache: of a cache manifest or index, or of the images that carry one
// inline.
#pragma once

#include <string>
#include <vector>

#include "cache/remote/document.h"
#include "cache/remote/places.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::remote {

struct FoundCache {
  // Of several for images of an index that carry one each; none when there is no cache in it.
  std::vector<CacheDocument> documents;
  std::string media_type;  // of the manifest or index
};

// Everything is checked against its digest and bounded. An image of an index that cannot be read is
// passed over. Errors: the source's, kInvalidArgument for what is no manifest.
StatusOr<FoundCache> ReadCache(CacheSource& source, const CancelToken& cancel);

}  // namespace cairn::remote
