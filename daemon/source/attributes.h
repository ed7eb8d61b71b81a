// Reading a source's attributes (pb.SourceOp.attrs, protocol.md 5.3).
#pragma once

#include <string>
#include <vector>

#include "proto/ops.pb.h"
#include "runtime/base/status.h"

namespace cairn::source {

class Attributes {
 public:
  // `op` outlives the object.
  explicit Attributes(const pb::SourceOp& op) : op_(op) {}

  std::string Get(const std::string& key, const std::string& missing = "") const;
  // "true" is true.
  bool Is(const std::string& key) const { return Get(key) == "true"; }
  // A JSON array of texts; kInvalidArgument when it is something else. Absent is empty.
  StatusOr<std::vector<std::string>> List(const std::string& key) const;
  // A number in `base`; kInvalidArgument when it is none.
  StatusOr<int64_t> Number(const std::string& key, int base, int64_t missing) const;
  // All attributes whose key begins with `prefix`, which is taken off.
  std::vector<std::pair<std::string, std::string>> WithPrefix(string_view prefix) const;

 private:
  const pb::SourceOp& op_;
};

}  // namespace cairn::source
