// Which part of a file a client asks for, within what one answer holds.
#pragma once

#include <optional>

#include "daemon/solver/frontend.h"
#include "proto/gateway.pb.h"
#include "runtime/base/status.h"

namespace cairn::control {

// kInvalidArgument for negative numbers; nullopt when the whole file is wanted.
StatusOr<std::optional<solver::FileRange>> DecodeRange(
    const moby::buildkit::v1::frontend::ReadFileRequest& request);

// The part of a file of `size` bytes that `wanted` comes to. A length of 0 means "to its end".
// kResourceExhausted when that is more than one message holds.
StatusOr<solver::FileRange> ClampRange(string_view path, uint64_t size,
                                       const std::optional<solver::FileRange>& wanted);

}  // namespace cairn::control
