// FileOp: a chain of file actions as one LLB op, each working on the result of the one before.
#pragma once

#include <cstdint>
#include <memory>

#include "daemon/llb/builder.h"

namespace cairn::dockerfile {

class FileOp {
 public:
  // Actions start from `base` (scratch: from nothing).
  explicit FileOp(const llb::Output& base);

  // Adds an action that may read `source` besides. The caller sets which action it is; the pointer
  // is good until the next call.
  pb::FileAction* Add(const llb::Output& source = {});

  // The index of the base among the op's inputs, -1 for scratch: where names of owners are looked
  // up.
  int64_t base_input() const { return base_input_; }
  llb::Node& node() { return *node_; }

  // The result of the last action. REQUIRES: at least one was added; call once.
  llb::Output Finish();

 private:
  std::shared_ptr<llb::Node> node_;
  int64_t base_input_;
};

}  // namespace cairn::dockerfile
