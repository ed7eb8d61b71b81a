// An SBOM scan as LLB: a scanner image that reads filesystems and writes an SPDX document
// (BuildKit's scanner protocol: BUILDKIT_SCAN_SOURCE, BUILDKIT_SCAN_DESTINATION).
#pragma once

#include <map>
#include <string>

#include "daemon/frontend/dockerfile/build_options.h"
#include "daemon/frontend/dockerfile/converter.h"
#include "daemon/solver/frontend.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

// A scanner, looked up once and used for each platform.
struct SbomScanner {
  std::string reference;
  ImageConfig image;
  Platform platform;
  std::map<std::string, std::string> parameters;

  static StatusOr<SbomScanner> Resolve(const SbomOptions& options, const Platform& platform,
                                       const std::string& resolve_mode, ImageResolver& resolver);

  // The output of a scan of `core` and `extras`, named after `platform_id` in progress.
  llb::Output Scan(const std::string& platform_id, const llb::Output& core,
                   const std::map<std::string, llb::Output>& extras, bool ignores_cache) const;
};

// The attestation that `ref`, a solved scan, is.
solver::Attestation SbomAttestation(const solver::RefPtr& ref);

}  // namespace cairn::dockerfile
