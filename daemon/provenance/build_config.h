// The graph of a definition as provenance shows it (mode=max): its ops as JSON, in the order of a
// depth-first walk from the target, named step0, step1, ...
#pragma once

#include <map>
#include <string>
#include <vector>

#include "proto/ops.pb.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::provenance {

struct BuildConfig {
  std::vector<std::string> steps;  // JSON objects {"id", "op", "inputs"}
  std::map<Digest, int> indexes;   // which step a vertex is
};

// Empty for an empty definition. What names a client's session is left out of the ops.
StatusOr<BuildConfig> MakeBuildConfig(const pb::Definition& definition);

// `message` as BuildKit's Go writes it: proto field names, no empty fields, enums as numbers.
std::string MessageJson(const google::protobuf::Message& message);

}  // namespace cairn::provenance
