#include "daemon/ops/file_op.h"

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/llb/errors.h"
#include "daemon/ops/file_actions.h"
#include "daemon/ops/owner.h"
#include "daemon/solver/solved_ref.h"
#include "proto/ops.pb.h"
#include "runtime/base/go_match.h"

namespace cairn::ops {
namespace {

const pb::ChownOpt* OwnerOf(const pb::FileAction& action) {
  if (action.has_copy()) {
    return action.copy().has_owner() ? &action.copy().owner() : nullptr;
  }
  if (action.has_mkfile()) {
    return action.mkfile().has_owner() ? &action.mkfile().owner() : nullptr;
  }
  if (action.has_mkdir()) {
    return action.mkdir().has_owner() ? &action.mkdir().owner() : nullptr;
  }
  return action.has_symlink() && action.symlink().has_owner() ? &action.symlink().owner() : nullptr;
}

// Writes one action into the key's pre-image. What it names of other trees is not in it: their
// content is.
class ActionKey {
 public:
  ActionKey(steps::KeyBuilder& key, size_t index, int64_t inputs)
      : key_(key), prefix_(absl::StrCat("action.", index, ".")), inputs_(inputs) {}

  void Add(const pb::FileAction& action) {
    Number("input", action.input());
    Number("secondary", action.secondaryinput());
    Number("output", action.output());
    if (const pb::ChownOpt* owner = OwnerOf(action)) {
      Add("user", owner->has_user() ? &owner->user() : nullptr);
      Add("group", owner->has_group() ? &owner->group() : nullptr);
    }
    switch (action.action_case()) {
      case pb::FileAction::kCopy:
        return Add(action.copy(), action.secondaryinput());
      case pb::FileAction::kMkfile:
        Text("mkfile", action.mkfile().path());
        Number("mode", action.mkfile().mode());
        Number("timestamp", action.mkfile().timestamp());
        key_.Add(prefix_ + "data", Digest::Of(action.mkfile().data()));
        return;
      case pb::FileAction::kMkdir:
        Text("mkdir", action.mkdir().path());
        Number("mode", action.mkdir().mode());
        Number("timestamp", action.mkdir().timestamp());
        Number("parents", action.mkdir().makeparents());
        return;
      case pb::FileAction::kRm:
        Text("rm", action.rm().path());
        Number("allow-not-found", action.rm().allownotfound());
        Number("wildcard", action.rm().allowwildcard());
        return;
      case pb::FileAction::kSymlink:
        Text("symlink", action.symlink().newpath());
        Text("to", action.symlink().oldpath());
        Number("timestamp", action.symlink().timestamp());
        return;
      case pb::FileAction::ACTION_NOT_SET:
        return;
    }
  }

 private:
  void Add(const pb::FileActionCopy& copy, int64_t source) {
    // Where in its input the source lies does not matter, only the name it brings.
    const bool from_input = source >= 0 && source < inputs_;
    Text("copy", from_input ? copy.src().substr(copy.src().rfind('/') + 1) : copy.src());
    Text("to", copy.dest());
    Number("mode", copy.mode());
    Text("mode-text", copy.modestr());
    Number("timestamp", copy.timestamp());
    Number("follow", copy.followsymlink());
    Number("contents", copy.dircopycontents());
    Number("unpack", copy.attemptunpackdockercompatibility());
    Number("make-destination", copy.createdestpath());
    Number("wildcard", copy.allowwildcard());
    Number("allow-empty", copy.allowemptywildcard());
    Number("replace", copy.alwaysreplaceexistingdestpaths());
    for (const std::string& pattern : copy.include_patterns()) {
      Text("include", pattern);
    }
    for (const std::string& pattern : copy.exclude_patterns()) {
      Text("exclude", pattern);
    }
  }

  void Add(string_view name, const pb::UserOpt* user) {
    if (user == nullptr) {
      return;
    }
    if (user->has_byname()) {
      Text(absl::StrCat(name, "-name"), user->byname().name());
      Number(absl::StrCat(name, "-from"), user->byname().input());
    } else {
      Number(name, user->byid());
    }
  }

  void Text(string_view name, string_view value) {
    if (!value.empty()) {
      key_.Add(absl::StrCat(prefix_, name), value);
    }
  }
  void Number(string_view name, int64_t value) {
    key_.AddNumber(absl::StrCat(prefix_, name), value);
  }

  steps::KeyBuilder& key_;
  const std::string prefix_;
  const int64_t inputs_;
};

class FileOp final : public solver::Op {
 public:
  FileOp(const llb::Vertex& vertex, layer::ChainStore& chains, const Clock& clock)
      : op_(vertex.op), metadata_(vertex.metadata), chains_(chains), clock_(clock) {}

  StatusOr<solver::Prepared> Prepare(solver::OpContext& context) override;
  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext& context,
                                              const std::vector<layer::Chain>& inputs) override;

 private:
  // What an input or an action amounts to.
  struct Place {
    int base_input = -1;  // the op's input that it started from
    std::optional<tree::TreeRef> tree;
  };

  StatusOr<Place> Act(const pb::FileAction& action, const std::vector<Place>& places,
                      const CancelToken& cancel);

  StatusOr<layer::Chain> ChainOf(const Place& place, const std::vector<layer::Chain>& inputs) const;

  // The error detail for the action `failed`, with what the inputs and the actions before it
  // amount to for whoever looks for the reason.
  errdefs::Solve Describe(const solver::OpContext& context, int failed,
                          const std::vector<layer::Chain>& inputs,
                          const std::vector<Place>& places) const;

  // Shared with the vertex, which the plan may outlive.
  const std::shared_ptr<const pb::Op> op_;
  const std::shared_ptr<const pb::OpMetadata> metadata_;
  layer::ChainStore& chains_;
  const Clock& clock_;
};

// An owner's name depends on one file of its tree; a pattern, because that may be absent.
tree::Selection UserFile(string_view pattern) {
  return {.paths = {std::string(pattern)}, .wildcards = true};
}

StatusOr<solver::Prepared> FileOp::Prepare(solver::OpContext&) {
  const pb::FileOp& file = op_->file();
  const int64_t count = op_->inputs_size();
  solver::Prepared prepared{.key = steps::KeyBuilder("file 1")};
  std::set<int64_t> whole;
  for (int i = 0; i < file.actions_size(); ++i) {
    ActionKey(*prepared.key, i, count).Add(file.actions(i));
    const int64_t base = file.actions(i).input();
    if (base >= 0 && base < count) {
      whole.insert(base);
    }
  }
  for (const int64_t input : whole) {
    prepared.inputs.push_back({.input = static_cast<int>(input)});
  }
  const auto depend = [&](int64_t input, tree::Selection selection) {
    if (input >= 0 && input < count && whole.count(input) == 0) {
      prepared.inputs.push_back(
          {.input = static_cast<int>(input), .selection = std::move(selection)});
    }
  };
  for (const pb::FileAction& action : file.actions()) {
    if (action.has_copy()) {
      const pb::FileActionCopy& copy = action.copy();
      tree::Selection selection{
          .paths = {copy.src().empty() ? "/" : copy.src()},
          .wildcards = copy.allowwildcard() && HasGoWildcard(copy.src()),
          .follow = copy.followsymlink() || copy.attemptunpackdockercompatibility(),
          .include = {copy.include_patterns().begin(), copy.include_patterns().end()},
          .exclude = {copy.exclude_patterns().begin(), copy.exclude_patterns().end()}};
      depend(action.secondaryinput(), std::move(selection));
      if (copy.required_paths_size() > 0) {
        depend(action.secondaryinput(),
               {.paths = {copy.required_paths().begin(), copy.required_paths().end()}});
      }
    }
    const pb::ChownOpt* owner = OwnerOf(action);
    if (owner != nullptr && owner->has_user() && owner->user().has_byname()) {
      depend(owner->user().byname().input(), UserFile("/etc/passw[d]"));
    }
    if (owner != nullptr && owner->has_group() && owner->group().has_byname()) {
      depend(owner->group().byname().input(), UserFile("/etc/grou[p]"));
    }
  }
  return prepared;
}

StatusOr<FileOp::Place> FileOp::Act(const pb::FileAction& action, const std::vector<Place>& places,
                                    const CancelToken& cancel) {
  const auto place_of = [&places](int64_t index) -> StatusOr<Place> {
    if (index == -1) {
      return Place();
    }
    if (index < 0 || index >= static_cast<int64_t>(places.size())) {
      return absl::InvalidArgumentError(
          absl::StrCat("invalid input index ", index, ", ", places.size(), " provided"));
    }
    return places[index];
  };
  ASSIGN_OR_RETURN(Place place, place_of(action.input()));
  tree::TreeStore& trees = chains_.trees();
  std::optional<Owner> owner;
  if (const pb::ChownOpt* option = OwnerOf(action)) {
    ASSIGN_OR_RETURN(
        owner,
        ResolveOwner(trees, *option, [&](int64_t index) -> StatusOr<std::optional<tree::TreeRef>> {
          ASSIGN_OR_RETURN(Place from, place_of(index));
          return from.tree;
        }));
  }
  tree::Editor editor(trees, place.tree);
  const ActionTarget target{.store = trees,
                            .editor = editor,
                            .before = place.tree,
                            .owner = owner,
                            .now_ns = absl::ToUnixNanos(clock_.Now())};
  switch (action.action_case()) {
    case pb::FileAction::kCopy: {
      ASSIGN_OR_RETURN(const Place source, place_of(action.secondaryinput()));
      RETURN_IF_ERROR(CopyPaths(target, source.tree, action.copy(), cancel));
      break;
    }
    case pb::FileAction::kMkfile:
      RETURN_IF_ERROR(MakeFile(target, action.mkfile()));
      break;
    case pb::FileAction::kMkdir:
      RETURN_IF_ERROR(MakeDirectory(target, action.mkdir()));
      break;
    case pb::FileAction::kRm:
      RETURN_IF_ERROR(RemovePath(target, action.rm()));
      break;
    case pb::FileAction::kSymlink:
      RETURN_IF_ERROR(MakeSymlink(target, action.symlink()));
      break;
    case pb::FileAction::ACTION_NOT_SET:
      return absl::InvalidArgumentError("file action of no kind");
  }
  ASSIGN_OR_RETURN(place.tree, editor.Commit());
  return place;
}

StatusOr<layer::Chain> FileOp::ChainOf(const Place& place,
                                       const std::vector<layer::Chain>& inputs) const {
  ASSIGN_OR_RETURN(layer::Chain base, chains_.Scratch());
  if (place.base_input >= 0) {
    base = inputs[static_cast<size_t>(place.base_input)];
  }
  if (!place.tree.has_value()) {
    return base;
  }
  return chains_.Extend(base, *place.tree, /*keep_empty=*/true);
}

errdefs::Solve FileOp::Describe(const solver::OpContext& context, int failed,
                                const std::vector<layer::Chain>& inputs,
                                const std::vector<Place>& places) const {
  errdefs::Solve solve;
  *solve.mutable_op() = *op_;
  solve.mutable_file()->set_index(failed);
  *solve.mutable_description() = metadata_->description();
  if (!context.keep) {
    return solve;
  }
  for (const layer::Chain& input : inputs) {
    solve.add_inputids(context.keep(solver::MakeSolvedRef(input)));
  }
  for (int i = 0; i < op_->file().actions_size(); ++i) {
    // Of the failed action: what it was to change.
    const int64_t index = i < failed ? static_cast<int64_t>(inputs.size()) + i
                                     : (i == failed ? op_->file().actions(i).input() : -1);
    const bool known = index >= 0 && index < static_cast<int64_t>(places.size());
    const auto chain = known ? ChainOf(places[static_cast<size_t>(index)], inputs)
                             : StatusOr<layer::Chain>(absl::NotFoundError("no state"));
    solve.add_mountids(chain.ok() ? context.keep(solver::MakeSolvedRef(*chain)) : "");
  }
  return solve;
}

StatusOr<std::vector<solver::OpOutput>> FileOp::Run(solver::OpContext& context,
                                                    const std::vector<layer::Chain>& inputs) {
  const pb::FileOp& file = op_->file();
  std::vector<Place> places;
  for (size_t i = 0; i < inputs.size(); ++i) {
    ASSIGN_OR_RETURN(const tree::TreeRef tree, chains_.TreeOf(inputs[i]));
    places.push_back({.base_input = static_cast<int>(i), .tree = tree});
  }
  int64_t count = 0;
  for (const pb::FileAction& action : file.actions()) {
    count = std::max(count, action.output() + 1);
  }
  std::vector<std::optional<Place>> outputs(std::min<int64_t>(count, file.actions_size()));
  for (int i = 0; i < file.actions_size(); ++i) {
    const pb::FileAction& action = file.actions(i);
    RETURN_IF_ERROR(context.cancel.Check());
    auto place = Act(action, places, context.cancel);
    if (!place.ok()) {
      return absl::IsCancelled(place.status())
                 ? place.status()
                 : llb::WithSolve(place.status(), Describe(context, i, inputs, places));
    }
    places.push_back(*place);
    if (action.output() >= 0) {
      if (action.output() >= static_cast<int64_t>(outputs.size()) || outputs[action.output()]) {
        return absl::InvalidArgumentError(
            absl::StrCat("invalid or duplicate output ", action.output()));
      }
      outputs[action.output()] = *place;
    }
  }
  if (outputs.empty()) {
    return absl::InvalidArgumentError("no outputs specified");
  }
  std::vector<solver::OpOutput> results;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i]) {
      return absl::InvalidArgumentError(absl::StrCat("missing output index ", i));
    }
    ASSIGN_OR_RETURN(layer::Chain chain, ChainOf(*outputs[i], inputs));
    results.push_back({.chain = std::move(chain), .base_input = outputs[i]->base_input});
  }
  return results;
}

}  // namespace

std::unique_ptr<solver::Op> MakeFileOp(const llb::Vertex& vertex, layer::ChainStore& chains,
                                       const Clock& clock) {
  return std::make_unique<FileOp>(vertex, chains, clock);
}

}  // namespace cairn::ops
