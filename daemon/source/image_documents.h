// Reading an image's documents (index, manifest, config), from the store or else from where it is.
#pragma once

#include <string>

#include "cache/blob/blob_store.h"
#include "cache/registry/manifest.h"
#include "daemon/source/content_fetcher.h"
#include "runtime/base/platform.h"

namespace cairn::source {

struct ImageDocuments {
  registry::Descriptor target;    // what the name stands for: a manifest or an index
  registry::Descriptor manifest;  // the platform's
  registry::Manifest parsed;
  std::string config;
  registry::ImageConfigInfo config_info;
};

// Reads the manifest and config for `platform` below `target`; documents that are fetched go into
// `blobs`. kNotFound when the index has nothing for the platform; `name` is for the message.
StatusOr<ImageDocuments> ReadImageDocuments(blob::BlobStore& blobs, ContentFetcher& fetcher,
                                            const std::string& name,
                                            const registry::Descriptor& target,
                                            const Platform& platform, const CancelToken& cancel);

// One document, from the store or fetched into it.
StatusOr<std::string> ReadDocument(blob::BlobStore& blobs, ContentFetcher& fetcher,
                                   const registry::Descriptor& descriptor,
                                   const CancelToken& cancel);

}  // namespace cairn::source
