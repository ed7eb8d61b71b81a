// Scheduler::Attempt: one action on a step, on its way. Private to the scheduler's files.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/solver/scheduler.h"
#include "daemon/solver/step_import.h"

namespace cairn::solver {

// What a worker uses of the builds that want the step, as it was when the action began.
struct Scheduler::Attempt {
  // Shared: the build may end while another one keeps the step going.
  std::shared_ptr<BuildState> build;
  std::vector<std::shared_ptr<BuildState>> builds;  // all of them
  session::SessionGroup sessions;
  Entitlements entitlements;
  CancelToken cancel;

  // What the builds may take from caches elsewhere.
  std::vector<std::shared_ptr<StepImports>> Imports() const {
    std::vector<std::shared_ptr<StepImports>> all;
    for (const auto& wanting : builds) {
      for (auto& imports : wanting->imports()) {
        all.push_back(std::move(imports));
      }
    }
    return all;
  }
  std::shared_ptr<ImportedStep> FindImported(const Digest& key) const {
    for (const auto& imports : Imports()) {
      auto found = imports->Find(key, cancel);
      if (found != nullptr) {
        return found;
      }
    }
    return nullptr;
  }
  std::optional<Digest> FindSelection(const Digest& content, const Digest& selection) const {
    for (const auto& imports : Imports()) {
      const auto found = imports->FindSelection(content, selection);
      if (found) {
        return found;
      }
    }
    return std::nullopt;
  }

  OpContext ContextFor(Step& step) {
    return {.cancel = cancel,
            .reporter = step.progress,
            .sessions = sessions,
            .entitlements = entitlements,
            .lease = *step.lease,
            .job = *build,
            .keep = [this](const RefPtr& state) { return BuildState::Keep(builds, state); }};
  }
};

}  // namespace cairn::solver
