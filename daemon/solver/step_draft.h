// A vertex of a graph on its way into the plan.
#pragma once

#include <memory>
#include <vector>

#include "daemon/devices/device_registry.h"
#include "daemon/llb/graph.h"
#include "daemon/session/session_group.h"
#include "daemon/solver/entitlements.h"
#include "daemon/solver/op.h"
#include "daemon/solver/progress.h"
#include "daemon/solver/step.h"

namespace cairn::solver {

struct StepDraft {
  // Vertices of two builds with one identity are one step.
  Digest identity;
  std::shared_ptr<const llb::Vertex> vertex;
  std::unique_ptr<Op> op;
  std::vector<StepEdge> inputs;  // filled in as the inputs get into the plan
};

// Drafts of all vertices of `graph`, inputs first, for a build with these powers and sessions. A
// vertex that asks for devices names in its draft those that it gets, from `devices` (null: none).
// Errors carry the vertex: kPermissionDenied for a power or device that the build may not have,
// kFailedPrecondition for a device that is not there, else the factory's.
StatusOr<std::vector<StepDraft>> MakeDrafts(const llb::Graph& graph,
                                            const Entitlements& entitlements,
                                            const session::SessionGroup& sessions,
                                            const devices::DeviceRegistry* devices,
                                            const OpFactory& make_op);

// How `vertex` appears in the progress before anything has happened to it.
VertexEvent Announcement(const llb::Vertex& vertex);

}  // namespace cairn::solver
