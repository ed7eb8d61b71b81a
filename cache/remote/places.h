// Where caches are read from and written to: a registry, a directory of the client. Interfaces.
//
// Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cache/registry/descriptor.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::remote {

class CacheSource {
 public:
  virtual ~CacheSource() = default;

  // The manifest or index that the cache is; its size may not be known (0).
  virtual StatusOr<registry::Descriptor> Resolve(const CancelToken& cancel) = 0;

  // The bytes of a manifest or index, checked against the digest.
  virtual StatusOr<std::string> ReadManifest(const registry::Descriptor& descriptor,
                                             const CancelToken& cancel) = 0;

  // Writes a blob into `sink` and checks its digest at the end: until OK is returned, what is in
  // the sink is not to be believed.
  virtual Status Fetch(const registry::Descriptor& descriptor, fs::ByteSink& sink,
                       const CancelToken& cancel) = 0;
};

class CacheTarget {
 public:
  virtual ~CacheTarget() = default;

  // Opens a blob's bytes; called once per try.
  using Open = std::function<StatusOr<std::unique_ptr<fs::ByteSource>>()>;

  // Makes sure that the place has the blob. `origin` ("host/repository", may be empty) has it.
  virtual Status PutBlob(const registry::Descriptor& descriptor, const std::string& origin,
                         const Open& open, const CancelToken& cancel) = 0;
  // Makes `document`, whose blobs are there, the cache of this place.
  virtual Status PutManifest(const registry::Descriptor& descriptor, const std::string& document,
                             const CancelToken& cancel) = 0;
};

}  // namespace cairn::remote
