#include "daemon/frontend/dockerfile/stage_state.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/location.h"

namespace cairn::dockerfile {
namespace {

// Follows dependencies depth first; fills `lines` with the locations of the first circle found.
bool FindCycle(const StageState* stage, std::set<const StageState*>& visited,
               std::set<const StageState*>& open, std::vector<Ranges>& lines) {
  if (!visited.insert(stage).second) {
    return false;
  }
  open.insert(stage);
  for (const auto& [dependency, location] : stage->dependencies) {
    lines.push_back(location);
    if (open.count(dependency) > 0 || FindCycle(dependency, visited, open, lines)) {
      return true;
    }
    lines.pop_back();
  }
  open.erase(stage);
  return false;
}

}  // namespace

void StageState::InheritFromBase() {
  if (base == nullptr) {
    return;
  }
  output = base->output;
  local = base->local;
  environment = base->environment;
  working_dir = base->working_dir;
  user = base->user;
  platform = base->platform;
  image = base->image;
  image.on_build.clear();
  base_image = base->base_image;
  paths = base->paths;
  workdir_set = base->workdir_set;
  build_args.insert(build_args.end(), base->build_args.begin(), base->build_args.end());
}

StageState* StageGraph::Add(std::unique_ptr<StageState> stage) {
  StageState* added = stage.get();
  stages_.push_back(std::move(stage));
  if (const auto base = by_name_.find(added->stage.base); base != by_name_.end()) {
    added->base = base->second;
    added->outline = base->second->outline;
  }
  if (!added->stage.name.empty()) {
    by_name_[absl::AsciiStrToLower(added->stage.name)] = added;
  }
  return added;
}

StageState* StageGraph::FindByName(const std::string& name) const {
  const auto found = by_name_.find(absl::AsciiStrToLower(name));
  return found == by_name_.end() ? nullptr : found->second;
}

StatusOr<StageState*> StageGraph::FindByIndex(int64_t index) const {
  if (index < 0 || index >= static_cast<int64_t>(stages_.size())) {
    return Error(absl::StrCat("invalid stage index ", index));
  }
  return stages_[index].get();
}

std::vector<std::string> StageGraph::DisplayNames() const {
  std::vector<std::string> names;
  for (const auto& stage : stages_) {
    if (!stage->display_name.empty()) {
      names.push_back(stage->display_name);
    }
  }
  return names;
}

std::set<StageState*> StageGraph::Reachable(StageState* target) {
  std::set<StageState*> reachable;
  std::vector<StageState*> open = {target};
  while (!open.empty()) {
    StageState* stage = open.back();
    open.pop_back();
    if (!reachable.insert(stage).second) {
      continue;
    }
    if (stage->base != nullptr) {
      open.push_back(stage->base);
    }
    for (const auto& dependency : stage->dependencies) {
      open.push_back(dependency.first);
    }
  }
  return reachable;
}

Status StageGraph::CheckCycles() const {
  std::set<const StageState*> visited;
  for (const auto& stage : stages_) {
    std::set<const StageState*> open;
    std::vector<Ranges> lines;
    if (FindCycle(stage.get(), visited, open, lines)) {
      Status status =
          Error(absl::StrCat("circular dependency detected on stage: ", stage->display_name));
      for (const Ranges& location : lines) {
        status = WithLocation(status, location);
      }
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::dockerfile
