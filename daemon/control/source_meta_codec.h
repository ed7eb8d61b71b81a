// Questions about sources, and what is known of them, to and from the wire.
#pragma once

#include "daemon/solver/frontend.h"
#include "proto/gateway.pb.h"

namespace cairn::control {

solver::ResolveSourceRequest DecodeSourceRequest(
    const moby::buildkit::v1::frontend::ResolveSourceMetaRequest& request);

void EncodeSourceMeta(const solver::SourceMeta& meta,
                      moby::buildkit::v1::frontend::ResolveSourceMetaResponse* response);

}  // namespace cairn::control
