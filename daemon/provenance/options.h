// What attestations a build asks for: the frontend options "attest:sbom" and "attest:provenance",
// or "build-arg:BUILDKIT_ATTEST_<TYPE>", each a comma list of settings.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "runtime/base/status.h"

namespace cairn::provenance {

enum class SlsaVersion { kV02, kV1 };

struct Options {
  SlsaVersion version = SlsaVersion::kV1;
  // mode=max: the graph, its source and the layers as well, and no build argument left out.
  bool max = true;
  std::string builder_id;
  std::string file_name = "provenance.json";
  bool inline_only = false;
  bool reproducible = false;        // claimed by the caller
  bool complete_materials = false;  // refuse a build some of whose materials are not known
};

// The settings of each attestation type that `options` ask for, by type. kInvalidArgument for an
// unknown type or a malformed list.
StatusOr<std::map<std::string, std::map<std::string, std::string>>> RequestedAttestations(
    const std::map<std::string, std::string>& options);

// The provenance that `options` ask for, if they do. kInvalidArgument for a malformed setting.
StatusOr<std::optional<Options>> RequestedProvenance(
    const std::map<std::string, std::string>& options);

}  // namespace cairn::provenance
