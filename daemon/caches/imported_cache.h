// ImportedCache: what one imported cache knows, for the solver.
//
// Shared: steps that it has answered for may be fetched when the build that brought it has ended
// (and then fail, unless the place needs no session). Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "cache/remote/document.h"
#include "cache/remote/layer_intake.h"
#include "cache/remote/places.h"
#include "daemon/solver/step_import.h"
#include "runtime/base/sync.h"

namespace cairn::caches {

class ImportedCache final : public solver::StepImports {
 public:
  // Look-ups wait until Set, at most `wait` from now on.
  explicit ImportedCache(absl::Duration wait) : deadline_(absl::Now() + wait) {}

  // What was read, and from where; nothing for a cache that cannot be read. Called once.
  void Set(std::vector<remote::CacheDocument> documents,
           std::shared_ptr<remote::CacheSource> source, const remote::LayerIntake& intake);
  void SetUnreadable();

  std::shared_ptr<solver::ImportedStep> Find(const Digest& key, const CancelToken& cancel) override;
  std::optional<Digest> FindSelection(const Digest& content, const Digest& selection) override;

 private:
  const absl::Time deadline_;
  Mutex mu_;
  CondVar changed_;
  bool ready_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_map<Digest, std::shared_ptr<solver::ImportedStep>> steps_ ABSL_GUARDED_BY(mu_);
  std::map<std::pair<Digest, Digest>, Digest> selections_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::caches
