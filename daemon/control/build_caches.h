// BuildCaches: where one build exports its cache to (--cache-to).
//
// Used by the thread that runs the build.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/caches/cache_export.h"
#include "daemon/control/build_request.h"
#include "daemon/exporter/exporter.h"
#include "daemon/solver/frontend.h"
#include "daemon/solver/solver.h"

namespace cairn::control {

class BuildCaches {
 public:
  // What `request` asks for. kInvalidArgument for what cannot be, also the same export twice. All
  // arguments outlive it.
  static StatusOr<std::unique_ptr<BuildCaches>> Resolve(const caches::CacheParts& parts,
                                                        const BuildRequest& request,
                                                        solver::Job& job);

  // Adds what images of the solved `result` are to carry inline.
  void AddInline(const solver::FrontendResult& result, exporter::SolvedResult* solved) const;

  // Exports the cache to all places at once; adds to the build's response. With ignore-error a
  // place that fails is only shown.
  Status Export(const solver::FrontendResult& result, const exporter::SolvedResult& solved,
                std::map<std::string, std::string>* response);

 private:
  BuildCaches(const BuildRequest& request, solver::Job& job) : request_(request), job_(job) {}
  Status ExportOne(size_t index, const std::vector<solver::ExportableStep>& steps,
                   const std::vector<layer::Chain>& results,
                   std::map<std::string, std::string>* response);

  const BuildRequest& request_;
  solver::Job& job_;
  std::vector<std::unique_ptr<caches::CacheExport>> exports_;
  bool inline_ = false;
};

}  // namespace cairn::control
