#include "daemon/control/build_caches.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/control/run_all.h"

namespace cairn::control {
namespace {

std::vector<solver::RefPtr> RefsOf(const solver::FrontendResult& result) {
  std::vector<solver::RefPtr> refs;
  if (result.ref.has_value() && *result.ref != nullptr) {
    refs.push_back(*result.ref);
  }
  for (const auto& entry : result.refs) {
    if (entry.second != nullptr) {
      refs.push_back(entry.second);
    }
  }
  return refs;
}

std::vector<layer::Chain> ChainsOf(const exporter::SolvedResult& solved) {
  std::vector<layer::Chain> chains;
  if (solved.single.has_value() && solved.single->has_value()) {
    chains.push_back(**solved.single);
  }
  for (const auto& entry : solved.by_platform) {
    if (entry.second.has_value()) {
      chains.push_back(*entry.second);
    }
  }
  return chains;
}

}  // namespace

StatusOr<std::unique_ptr<BuildCaches>> BuildCaches::Resolve(const caches::CacheParts& parts,
                                                            const BuildRequest& request,
                                                            solver::Job& job) {
  std::unique_ptr<BuildCaches> resolved(new BuildCaches(request, job));
  std::set<std::pair<std::string, std::map<std::string, std::string>>> seen;
  std::vector<std::string> twice;
  for (const TypedAttributes& entry : request.cache_exports) {
    if (entry.type == caches::kInlineType) {
      resolved->inline_ = true;
    } else if (!seen.insert({entry.type, entry.attributes}).second) {
      twice.push_back(entry.type);
    }
  }
  if (!twice.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("duplicate cache exports [", absl::StrJoin(twice, " "), "]"));
  }
  for (const TypedAttributes& entry : request.cache_exports) {
    if (entry.type != caches::kInlineType) {
      ASSIGN_OR_RETURN(
          std::unique_ptr<caches::CacheExport> made,
          caches::CacheExport::Resolve(parts, entry.type, entry.attributes, job.sessions()));
      resolved->exports_.push_back(std::move(made));
    }
  }
  return resolved;
}

void BuildCaches::AddInline(const solver::FrontendResult& result,
                            exporter::SolvedResult* solved) const {
  if (!inline_) {
    return;
  }
  const auto add = [solved](const std::string& id, const solver::RefPtr& ref,
                            const std::optional<layer::Chain>& chain) {
    if (ref != nullptr && chain.has_value()) {
      const std::string text = caches::MakeInlineCache(ref->StepsToExport(), *chain);
      if (!text.empty()) {
        solved->inline_caches[id] = text;
      }
    }
  };
  if (result.ref.has_value() && solved->single.has_value()) {
    add("", *result.ref, *solved->single);
  }
  for (const auto& entry : result.refs) {
    add(entry.first, entry.second, solved->by_platform[entry.first]);
  }
}

Status BuildCaches::Export(const solver::FrontendResult& result,
                           const exporter::SolvedResult& solved,
                           std::map<std::string, std::string>* response) {
  if (exports_.empty()) {
    return absl::OkStatus();
  }
  bool all = false;
  for (const auto& one : exports_) {
    all = all || one->exports_all();
  }
  std::vector<solver::ExportableStep> steps;
  for (const solver::RefPtr& ref : RefsOf(result)) {
    // What an imported cache had must not be missing from the one that takes its place.
    if (all && ref->Fetch()) {
      RETURN_IF_ERROR(ref->Evaluate(job_.cancel()).status());
    }
    for (solver::ExportableStep& step : ref->StepsToExport()) {
      steps.push_back(std::move(step));
    }
  }
  const std::vector<layer::Chain> results = ChainsOf(solved);
  std::vector<std::map<std::string, std::string>> responses(exports_.size());
  std::vector<std::function<Status()>> tasks;
  for (size_t i = 0; i < exports_.size(); ++i) {
    tasks.push_back([&, i] { return ExportOne(i, steps, results, &responses[i]); });
  }
  RETURN_IF_ERROR(RunAll(tasks));
  for (const auto& one : responses) {
    for (const auto& [key, value] : one) {
      (*response)[key] = value;
    }
  }
  return absl::OkStatus();
}

Status BuildCaches::ExportOne(size_t index, const std::vector<solver::ExportableStep>& steps,
                              const std::vector<layer::Chain>& results,
                              std::map<std::string, std::string>* response) {
  caches::CacheExport& one = *exports_[index];
  const Digest vertex = Digest::Of(absl::StrCat(request_.session_id, "-cache-", index));
  const Status status =
      job_.RunVertex(vertex, one.name(), [&](solver::VertexReporter& reporter) -> Status {
        caches::CacheExportContext context{steps, results, reporter, job_.lease(), job_.cancel()};
        ASSIGN_OR_RETURN(*response, one.Run(context));
        return absl::OkStatus();
      });
  return one.ignores_errors() && !absl::IsCancelled(status) ? absl::OkStatus() : status;
}

}  // namespace cairn::control
