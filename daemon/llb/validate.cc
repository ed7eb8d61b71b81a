#include "daemon/llb/validate.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "proto/ops.pb.h"

namespace cairn::llb {
namespace {

constexpr int64_t kEmptyInput = -1;  // a mount or a diff side of nothing

Status Invalid(string_view text) { return absl::InvalidArgumentError(text); }

Status CheckInput(int64_t input, int64_t limit, string_view what) {
  if (input < kEmptyInput || input >= limit) {
    return Invalid(absl::StrCat("invalid ", what, " input index ", input));
  }
  return absl::OkStatus();
}

Status ValidateExec(const pb::Op& op) {
  const pb::ExecOp& exec = op.exec();
  if (!exec.has_meta()) {
    return Invalid("invalid exec op with no meta");
  }
  if (exec.meta().args().empty()) {
    return Invalid("invalid exec op with no args");
  }
  if (exec.mounts().empty()) {
    return Invalid("invalid exec op with no mounts");
  }
  bool has_root = false;
  for (const pb::Mount& mount : exec.mounts()) {
    has_root = has_root || mount.dest() == "/";
    RETURN_IF_ERROR(CheckInput(mount.input(), op.inputs_size(), "mount"));
    if (mount.output() < kEmptyInput || mount.output() >= exec.mounts_size()) {
      return Invalid(absl::StrCat("invalid mount output index ", mount.output()));
    }
  }
  if (!has_root) {
    return Invalid("invalid exec op with no rootfs");
  }
  return absl::OkStatus();
}

Status ValidateOwner(const pb::ChownOpt& owner, int64_t limit) {
  for (const pb::UserOpt* user : {&owner.user(), &owner.group()}) {
    if (user->has_byname()) {
      RETURN_IF_ERROR(CheckInput(user->byname().input(), limit, "owner"));
    }
  }
  return absl::OkStatus();
}

Status ValidateFile(const pb::Op& op) {
  if (op.file().actions().empty()) {
    return Invalid("invalid file op with no actions");
  }
  for (int i = 0; i < op.file().actions_size(); ++i) {
    const pb::FileAction& action = op.file().actions(i);
    // Inputs of the op come first, then the results of the actions before this one.
    const int64_t limit = int64_t{op.inputs_size()} + i;
    RETURN_IF_ERROR(CheckInput(action.input(), limit, "file action"));
    RETURN_IF_ERROR(CheckInput(action.secondaryinput(), limit, "file action"));
    switch (action.action_case()) {
      case pb::FileAction::kCopy:
        RETURN_IF_ERROR(ValidateOwner(action.copy().owner(), limit));
        break;
      case pb::FileAction::kMkfile:
        RETURN_IF_ERROR(ValidateOwner(action.mkfile().owner(), limit));
        break;
      case pb::FileAction::kMkdir:
        RETURN_IF_ERROR(ValidateOwner(action.mkdir().owner(), limit));
        break;
      case pb::FileAction::kSymlink:
        RETURN_IF_ERROR(ValidateOwner(action.symlink().owner(), limit));
        break;
      case pb::FileAction::kRm:
        break;
      case pb::FileAction::ACTION_NOT_SET:
        return Invalid("invalid nil file action");
    }
  }
  return absl::OkStatus();
}

Status ValidateDiff(const pb::Op& op) {
  if (!op.diff().has_lower() || !op.diff().has_upper()) {
    return Invalid("invalid diff op with nil lower or upper input");
  }
  RETURN_IF_ERROR(CheckInput(op.diff().lower().input(), op.inputs_size(), "diff"));
  return CheckInput(op.diff().upper().input(), op.inputs_size(), "diff");
}

Status ValidatePassthrough(const pb::Op& op) {
  if (op.passthrough().id().empty()) {
    return Invalid("invalid passthrough op with no id");
  }
  if (op.passthrough().outputs().empty()) {
    return Invalid("invalid passthrough op with no outputs");
  }
  for (int64_t input : op.passthrough().outputs()) {
    if (input < 0 || input >= op.inputs_size()) {
      return Invalid(absl::StrCat("invalid passthrough output input index ", input));
    }
  }
  return absl::OkStatus();
}

}  // namespace

Status ValidateOp(const pb::Op& op) {
  switch (op.op_case()) {
    case pb::Op::kSource:
      if (op.source().identifier().empty()) {
        return Invalid("invalid source op with no identifier");
      }
      return absl::OkStatus();
    case pb::Op::kExec:
      return ValidateExec(op);
    case pb::Op::kFile:
      return ValidateFile(op);
    case pb::Op::kBuild:
      for (const auto& [name, input] : op.build().inputs()) {
        RETURN_IF_ERROR(CheckInput(input.input(), op.inputs_size(), "build"));
      }
      return absl::OkStatus();
    case pb::Op::kMerge:
      if (op.merge().inputs().empty()) {
        return Invalid("invalid merge op with no inputs");
      }
      for (const pb::MergeInput& input : op.merge().inputs()) {
        RETURN_IF_ERROR(CheckInput(input.input(), op.inputs_size(), "merge"));
      }
      return absl::OkStatus();
    case pb::Op::kDiff:
      return ValidateDiff(op);
    case pb::Op::kPassthrough:
      return ValidatePassthrough(op);
    case pb::Op::OP_NOT_SET:
      return Invalid("invalid nil op");
  }
  return Invalid("invalid op of an unknown kind");
}

}  // namespace cairn::llb
