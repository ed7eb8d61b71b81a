#include "daemon/llb/vertex_name.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/ops.pb.h"

namespace cairn::llb {
namespace {

std::string ActionName(const pb::FileAction& action) {
  switch (action.action_case()) {
    case pb::FileAction::kMkdir:
      return absl::StrCat("mkdir ", action.mkdir().path());
    case pb::FileAction::kMkfile:
      return absl::StrCat("mkfile ", action.mkfile().path());
    case pb::FileAction::kSymlink:
      return absl::StrCat("symlink ", action.symlink().newpath(), " -> ",
                          action.symlink().oldpath());
    case pb::FileAction::kRm:
      return absl::StrCat("rm ", action.rm().path());
    case pb::FileAction::kCopy:
      return absl::StrCat("copy ", action.copy().src(), " ", action.copy().dest());
    case pb::FileAction::ACTION_NOT_SET:
      break;
  }
  return "";
}

std::string FullName(const pb::Op& op, const std::function<string_view(size_t)>& input_name) {
  switch (op.op_case()) {
    case pb::Op::kSource:
      return op.source().identifier();
    case pb::Op::kExec:
      return absl::StrJoin(op.exec().meta().args(), " ");
    case pb::Op::kFile: {
      std::vector<std::string> names;
      for (const pb::FileAction& action : op.file().actions()) {
        names.push_back(ActionName(action));
      }
      return absl::StrJoin(names, ", ");
    }
    case pb::Op::kBuild:
      return "build";
    case pb::Op::kMerge: {
      std::string name = "merge (";
      for (int i = 0; i < op.inputs_size() && name.size() < kMaxVertexName; ++i) {
        absl::StrAppend(&name, i == 0 ? "" : ", ", input_name(i));
      }
      return name + ")";
    }
    case pb::Op::kDiff: {
      const auto side = [&](int64_t input) -> std::string {
        return input < 0 ? "scratch" : absl::StrCat("(", input_name(input), ")");
      };
      return absl::StrCat("diff ", side(op.diff().lower().input()), " -> ",
                          side(op.diff().upper().input()));
    }
    case pb::Op::kPassthrough:
      return absl::StrCat("passthrough ", op.passthrough().id());
    case pb::Op::OP_NOT_SET:
      break;
  }
  return "unknown";
}

}  // namespace

std::string VertexName(const pb::Op& op, const std::function<string_view(size_t)>& input_name) {
  std::string name = FullName(op, input_name);
  if (name.size() > kMaxVertexName) {
    name.resize(kMaxVertexName);
    // Do not cut a UTF-8 sequence: names go into protobuf strings, which must be valid.
    while (!name.empty() && (static_cast<unsigned char>(name.back()) & 0xC0) == 0x80) {
      name.pop_back();
    }
    if (!name.empty() && static_cast<unsigned char>(name.back()) >= 0x80) {
      name.pop_back();
    }
  }
  return name;
}

}  // namespace cairn::llb
