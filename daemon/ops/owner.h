// Who owns what a file operation makes (pb.ChownOpt).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "cache/tree/tree_store.h"
#include "proto/ops.pb.h"

namespace cairn::ops {

struct Owner {
  uint32_t uid = 0;
  uint32_t gid = 0;
  friend bool operator==(const Owner&, const Owner&) = default;
};

// The owner that `option` asks for; nullopt when it asks for none. Names are looked up in the
// /etc/passwd and /etc/group of `tree_of(input)` (nullopt: nothing there); a name or file that is
// not there gives 0, as clients expect. A user by name brings its primary group, a user by number
// the group of that number, unless a group is asked for too.
StatusOr<std::optional<Owner>> ResolveOwner(
    tree::TreeStore& trees, const pb::ChownOpt& option,
    const std::function<StatusOr<std::optional<tree::TreeRef>>(int64_t input)>& tree_of);

}  // namespace cairn::ops
