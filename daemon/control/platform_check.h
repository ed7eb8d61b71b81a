// Whether a result is for the platforms that were asked for. A frontend may ignore the request,
// and the image would then be of another platform than its user thinks.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/exporter/exporter.h"

namespace cairn::control {

// Warnings about `result` of a build whose frontend had `attributes` ("platform": a list; without
// one the host's is meant). None for a result without files, or one whose platforms cannot be told:
// its exporter says so.
std::vector<std::string> CheckPlatforms(const std::map<std::string, std::string>& attributes,
                                        const exporter::SolvedResult& result);

}  // namespace cairn::control
