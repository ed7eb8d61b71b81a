// A Solve request as the daemon sees it: older fields folded into the newer ones.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "proto/control.pb.h"
#include "runtime/base/status.h"

namespace cairn::control {

// An exporter or a cache with its attributes.
struct TypedAttributes {
  std::string type;
  std::map<std::string, std::string> attributes;
};

struct BuildRequest {
  std::string ref;
  std::string session_id;
  // At most one of the two; with neither the client drives the build through the gateway.
  std::optional<pb::Definition> definition;
  std::string frontend;
  std::map<std::string, std::string> frontend_attributes;
  std::map<std::string, pb::Definition> frontend_inputs;
  std::vector<TypedAttributes> exporters;
  std::vector<TypedAttributes> cache_exports;
  std::vector<TypedAttributes> cache_imports;
  std::vector<std::string> entitlements;
  bool internal = false;  // leaves no history
  bool session_exporter = false;
  std::optional<moby::buildkit::v1::sourcepolicy::Policy> source_policy;
  std::string source_policy_session;
  int64_t compatibility_version = 0;
};

// Reads `request`. kInvalidArgument when it has both a definition and a frontend, no ref, or a
// compatibility version that the daemon does not know.
StatusOr<BuildRequest> DecodeBuildRequest(const moby::buildkit::v1::SolveRequest& request);

}  // namespace cairn::control
