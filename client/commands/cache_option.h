// --cache-from and --cache-to: what the daemon is told of them, and the directories of this client
// that take part.
//
// A cache in a directory (type=local) is an OCI image layout: the daemon reads and writes its blobs
// over the session; which manifest is the cache is kept here, in the layout's index by tag.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "client/build.h"
#include "runtime/base/status.h"

namespace cairn::client {

class CacheOptions {
 public:
  // Reads the flags' values. An import from a directory that has no such cache is left out, with
  // words in warnings(): a cache is never an input to success.
  static StatusOr<CacheOptions> Parse(const std::vector<std::string>& cache_from,
                                      const std::vector<std::string>& cache_to);

  // Adds to `request`: imports, exports, and the directories that its session serves.
  void AddTo(BuildRequest& request) const;

  // Notes in the directories what the build with this response has written.
  Status WriteIndexes(const std::map<std::string, std::string>& response) const;

  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  Status AddImport(const std::string& text);
  Status AddExport(const std::string& text);

  std::vector<BuildRequest::Output> imports_;
  std::vector<BuildRequest::Output> exports_;
  std::map<std::string, std::string> layouts_;  // by the name that the daemon knows
  std::map<std::string, std::string> tags_;     // of exports, by directory
  std::vector<std::string> warnings_;
};

}  // namespace cairn::client
