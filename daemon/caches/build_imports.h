// BuildImports: the caches that a build imports (--cache-from): reads them in the background, and
// has the build's steps looked up in them.
//
// A cache that cannot be read shows as a failed vertex and changes nothing else. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "cache/remote/places.h"
#include "daemon/caches/cache_parts.h"
#include "daemon/solver/solver.h"
#include "runtime/base/cancel.h"
#include "runtime/base/sync.h"

namespace cairn::caches {

class BuildImports {
 public:
  // All of `parts`, and `job`, outlive it.
  BuildImports(const CacheParts& parts, solver::Job& job);
  // Stops reading.
  ~BuildImports();
  BuildImports(const BuildImports&) = delete;
  BuildImports& operator=(const BuildImports&) = delete;

  // Has `job` look steps up in the cache of this type (registry, local) and with these attributes,
  // in the order of the calls. One that was added before is not read again.
  void Add(const std::string& type, const std::map<std::string, std::string>& attributes);

 private:
  StatusOr<std::unique_ptr<remote::CacheSource>> Resolve(
      const std::string& type, const std::map<std::string, std::string>& attributes);

  const CacheParts& parts_;
  solver::Job& job_;
  CancelSource stop_;
  Mutex mu_;
  std::set<std::string> known_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> readers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::caches
