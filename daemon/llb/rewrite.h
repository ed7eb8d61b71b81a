// Rewriting a definition: other operations in the place of some, everything above them renamed.
//
// Pure functions.
#pragma once

#include <map>

#include "daemon/llb/graph.h"
#include "proto/ops.pb.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::llb {

// `definition`, which `graph` was loaded from, with the operations of `replacements` (by digest;
// they have the inputs of those they replace) in it. As a vertex is known by the digest of its
// bytes, replaced vertices and all that is made from them have other digests; their metadata and
// source locations move along.
pb::Definition ReplaceOps(const pb::Definition& definition, const Graph& graph,
                          const std::map<Digest, pb::Op>& replacements);

}  // namespace cairn::llb
