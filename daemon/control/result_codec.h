// FrontendResult and what is in it <-> gateway.proto.
#pragma once

#include "daemon/control/gateway_build.h"
#include "daemon/solver/frontend.h"
#include "proto/fs_stat.pb.h"
#include "proto/gateway.pb.h"
#include "runtime/base/status.h"

namespace cairn::control {

// Encodes `result`; its refs get ids in `build`. With `array_refs` the fields ref and refs are
// used, else the older ones. An empty result leaves everything unset.
void EncodeResult(const solver::FrontendResult& result, bool array_refs, GatewayBuild& build,
                  moby::buildkit::v1::frontend::Result* out);

// Decodes what a driver returns; ids are looked up in `build`.
StatusOr<solver::FrontendResult> DecodeResult(const moby::buildkit::v1::frontend::Result& result,
                                              const GatewayBuild& build);

void EncodeStat(const solver::FileStat& stat, fsutil::types::Stat* out);

}  // namespace cairn::control
