#include "daemon/control/capabilities.h"

#include <string>

#include "daemon/llb/capabilities.h"

namespace cairn::control {
namespace {

using moby::buildkit::v1::apicaps::APICap;

constexpr const char* kFrontendCapabilities[] = {
    "frontend.caps",
    "frontend.inputs",
    "gateway.evaluate",
    "gateway.exec",
    "gateway.exec.extrahosts",
    "gateway.exec.filesystem",
    "gateway.exec.secretenv",
    "gateway.exec.signals",
    "gateway.solve.evaluate",
    "gateway.solve.metadata",
    "gateway.warnings",
    "importcaches",
    "proto.refarray",
    "readdir",
    "readfile",
    "reference.attestations",
    "reference.output",
    "resolveimage",
    "resolveimage.resolvemode",
    "return",
    "returnmap",
    "solve.base",
    "source.metaresolver",
    "source.metaresolver.http.checksumrequest",
    "source.metaresolver.image.attestations",
    "statfile",
};

// The older way of returning a result, which clients still look for.
constexpr const char* kDeprecatedFrontendCapability = "solve.inlinereturn";

void Enable(const char* id, APICap* cap) {
  cap->set_id(id);
  cap->set_enabled(true);
}

}  // namespace

void AddCapabilities(moby::buildkit::v1::frontend::PongResponse* response) {
  for (const char* id : kFrontendCapabilities) {
    Enable(id, response->add_frontendapicaps());
  }
  APICap* deprecated = response->add_frontendapicaps();
  Enable(kDeprecatedFrontendCapability, deprecated);
  deprecated->set_deprecated(true);
  for (const std::string& id : llb::Capabilities()) {
    Enable(id.c_str(), response->add_llbcaps());
  }
}

}  // namespace cairn::control
