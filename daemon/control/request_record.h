// RequestRecord: what a build's frontends asked for and what came of it, for provenance to tell.
//
// A tree: the build's own record, and below it one for each frontend that was run, with those that
// this one had run in turn. Thread-safe; it holds the refs that it was told of.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/exporter/result_platforms.h"
#include "daemon/provenance/capture.h"
#include "daemon/solver/frontend.h"
#include "runtime/base/sync.h"

namespace cairn::control {

class RequestRecord {
 public:
  // Of the build itself: graphs that it asks for have no frontend.
  RequestRecord() = default;

  // A frontend is about to be run with these options. The record lives as long as this one.
  RequestRecord& AddFrontend(const std::string& name,
                             const std::map<std::string, std::string>& options);
  // These refs came of a request made here.
  void AddResult(const solver::FrontendResult& result);
  // An image's config was asked for.
  void AddImage(provenance::ImageMaterial image);

  // What the part of `result` for `platform` was made of, by what was asked for here and below.
  // `platforms` are all of the result's. nullopt for scratch, and for a ref not known here.
  StatusOr<std::optional<provenance::Capture>> CaptureOf(
      const solver::FrontendResult& result, const exporter::ResultPlatform& platform,
      const std::vector<exporter::ResultPlatform>& platforms) const;

 private:
  struct Request {
    std::string frontend;
    std::map<std::string, std::string> options;
  };
  explicit RequestRecord(Request request) : request_(std::move(request)) {}

  // The record of the request that `ref` came of, the innermost one first.
  const RequestRecord* FindMaker(const solver::RefPtr& ref) const;
  std::vector<solver::RefPtr> AllRefs() const;
  std::vector<provenance::ImageMaterial> AllImages() const;
  std::vector<const RequestRecord*> Children() const;

  const Request request_{};
  mutable Mutex mu_;
  std::list<std::unique_ptr<RequestRecord>> children_ ABSL_GUARDED_BY(mu_);
  std::vector<solver::RefPtr> refs_ ABSL_GUARDED_BY(mu_);
  std::vector<provenance::ImageMaterial> images_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::control
