// A place for caches that is a map, and can lie about what it holds.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cache/remote/places.h"
#include "runtime/base/sync.h"

namespace cairn::testing {

class MemoryPlace final : public remote::CacheSource, public remote::CacheTarget {
 public:
  StatusOr<registry::Descriptor> Resolve(const CancelToken&) override {
    if (!top) {
      return absl::NotFoundError("no such cache");
    }
    return *top;
  }
  StatusOr<std::string> ReadManifest(const registry::Descriptor& descriptor,
                                     const CancelToken&) override {
    return Get(descriptor.digest);
  }
  Status Fetch(const registry::Descriptor& descriptor, fs::ByteSink& sink,
               const CancelToken&) override {
    ASSIGN_OR_RETURN(const std::string data, Get(descriptor.digest));
    RETURN_IF_ERROR(sink.Write(data));
    return Digest::Of(data) == descriptor.digest ? absl::OkStatus()
                                                 : absl::DataLossError("digests differ");
  }
  Status PutBlob(const registry::Descriptor& descriptor, const std::string&, const Open& open,
                 const CancelToken&) override {
    ASSIGN_OR_RETURN(const auto source, open());
    ASSIGN_OR_RETURN(std::string data, fs::ReadToEnd(*source, 64 << 20));
    MutexLock lock(mu);
    blobs[descriptor.digest] = std::move(data);
    return absl::OkStatus();
  }
  Status PutManifest(const registry::Descriptor& descriptor, const std::string& document,
                     const CancelToken&) override {
    MutexLock lock(mu);
    blobs[descriptor.digest] = document;
    top = descriptor;
    return absl::OkStatus();
  }

  StatusOr<std::string> Get(const Digest& digest) {
    MutexLock lock(mu);
    const auto found = blobs.find(digest);
    if (found == blobs.end()) {
      return absl::NotFoundError("no such blob");
    }
    return found->second;
  }

  // For tests; nothing else runs then.
  std::optional<registry::Descriptor> top;
  std::map<Digest, std::string> blobs;

 private:
  Mutex mu;
};

}  // namespace cairn::testing
