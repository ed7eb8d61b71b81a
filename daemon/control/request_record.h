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

#include "daemon/control/input_producers.h"
#include "daemon/exporter/result_platforms.h"
#include "daemon/provenance/capture.h"
#include "daemon/solver/frontend.h"
#include "runtime/base/sync.h"

namespace cairn::control {

class RequestRecord {
 public:
  // Of the build itself, with what the client asked the daemon for: graphs that it asks for later
  // have no frontend. `producers`, which knows what made inputs, outlives the record.
  RequestRecord(InputProducers& producers, const std::string& frontend,
                const std::map<std::string, std::string>& options,
                const std::map<std::string, pb::Definition>& inputs);
  ~RequestRecord();
  RequestRecord(const RequestRecord&) = delete;
  RequestRecord& operator=(const RequestRecord&) = delete;

  // A frontend is about to be run with these options. The record lives as long as this one.
  RequestRecord& AddFrontend(const std::string& name,
                             const std::map<std::string, std::string>& options,
                             const std::map<std::string, pb::Definition>& inputs);
  // These refs are what the frontend of this record made: other requests may have them as inputs.
  void AddOutcome(const solver::FrontendResult& result);
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
  using Request = std::shared_ptr<const provenance::Request>;
  RequestRecord(InputProducers& producers, Request request)
      : producers_(producers), request_(std::move(request)) {}

  // The record of the request that `ref` came of, the innermost one first.
  const RequestRecord* FindMaker(const solver::RefPtr& ref) const;
  std::vector<solver::RefPtr> AllRefs() const;
  std::vector<provenance::ImageMaterial> AllImages() const;
  std::vector<const RequestRecord*> Children() const;

  InputProducers& producers_;
  const Request request_;  // of the build itself: one without a frontend
  const Request root_;     // what the client asked the daemon for; of the build's own record only
  mutable Mutex mu_;
  std::list<std::unique_ptr<RequestRecord>> children_ ABSL_GUARDED_BY(mu_);
  std::vector<solver::RefPtr> refs_ ABSL_GUARDED_BY(mu_);
  std::vector<provenance::ImageMaterial> images_ ABSL_GUARDED_BY(mu_);
  std::vector<uint64_t> outcomes_ ABSL_GUARDED_BY(mu_);  // ids among the producers
};

}  // namespace cairn::control
