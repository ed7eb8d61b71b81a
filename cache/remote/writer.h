// Writes a cache document and its layers to a place: a manifest whose config is the document, or an
// index that lists the layers and the document.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/blob/blob_store.h"
#include "cache/registry/descriptor.h"
#include "cache/remote/document.h"
#include "cache/remote/places.h"
#include "runtime/base/cancel.h"

namespace cairn::remote {

struct CacheFormat {
  bool oci_media_types = true;
  bool image_manifest = true;  // REQUIRES: oci_media_types
};

// A document with, for each of its layers, where else the blob is ("host/repository" or empty).
struct CacheContent {
  CacheDocument document;
  std::vector<std::string> origins;
};

// Something of the write, for the progress: calls `name`d work and passes its status on.
using WriteStep = std::function<Status(const std::string& name, const std::function<Status()>&)>;

// Puts the layers, whose blobs are in `blobs`, then the document, then what lists them. Returns the
// descriptor of that.
StatusOr<registry::Descriptor> WriteCache(blob::BlobStore& blobs, const CacheContent& content,
                                          const CacheFormat& format, CacheTarget& target,
                                          const WriteStep& step, const CancelToken& cancel);

}  // namespace cairn::remote
