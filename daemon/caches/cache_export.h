// CacheExport: where a build's cache goes (--cache-to): a registry, or a directory of the client.
//
// Inline caches have no place of their own: they are part of the image (cache_content.h).
// Resolve reads a request's attributes; an export is used by one thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/caches/cache_content.h"
#include "daemon/caches/cache_parts.h"
#include "daemon/session/session_group.h"
#include "daemon/solver/progress.h"
#include "runtime/base/cancel.h"

namespace cairn::caches {

inline constexpr char kInlineType[] = "inline";

// What is exported, and on whose behalf. Lives as long as the call.
struct CacheExportContext {
  const std::vector<solver::ExportableStep>& steps;
  const std::vector<layer::Chain>& results;
  solver::VertexReporter& reporter;
  gc::Lease& lease;
  CancelToken cancel;
};

class CacheExport {
 public:
  // kInvalidArgument for an unknown type ("unknown cache exporter: ...") and malformed values. All
  // of `parts` outlives the export. `group`: the sessions of the build.
  static StatusOr<std::unique_ptr<CacheExport>> Resolve(
      const CacheParts& parts, const std::string& type,
      const std::map<std::string, std::string>& attributes, const session::SessionGroup& group);

  // Vertex name: "exporting cache to registry".
  const std::string& name() const { return name_; }
  // mode=max: the layers of every step.
  bool exports_all() const { return options_.all_layers; }
  // Whether a failure is to be no failure of the build.
  bool ignores_errors() const { return ignores_errors_; }

  // Returns the response keys: "cache.manifest", the descriptor of what was written. Nothing is
  // written, and nothing returned, when there are no layers.
  StatusOr<std::map<std::string, std::string>> Run(CacheExportContext& context);

 private:
  explicit CacheExport(const CacheParts& parts) : parts_(parts) {}
  Status SetPlace(const std::string& type, const std::map<std::string, std::string>& attributes,
                  const session::SessionGroup& group);
  Status SetFormat(std::map<std::string, std::string> attributes);

  const CacheParts& parts_;
  std::string name_;
  ContentOptions options_;
  remote::CacheFormat format_;
  bool ignores_errors_ = false;
  std::unique_ptr<remote::CacheTarget> target_;
};

}  // namespace cairn::caches
