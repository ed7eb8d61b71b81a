// The name progress shows for a vertex that brought none.
#pragma once

#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace pb {
class Op;
}  // namespace pb

namespace cairn::llb {

// Longest name made here, in bytes; names of merges contain those of their inputs and would
// otherwise double with each level.
constexpr size_t kMaxVertexName = 4096;

// `input_name(i)` is the name of input i of `op`. The op must have passed ValidateOp.
std::string VertexName(const pb::Op& op, const std::function<string_view(size_t)>& input_name);

}  // namespace cairn::llb
