#include "daemon/control/capabilities.h"

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

constexpr const char* kLlbCapabilities[] = {
    "constraints",
    "platform",
    "meta.description",
    "meta.exportcache",
    "meta.ignorecache",
    "mergeop",
    "diffop",
    "passthroughop",

    "source.image",
    "source.image.resolvemode",
    "source.image.checksum",
    "source.image.layerlimit",
    "source.imageblob",
    "source.ocilayout",
    "source.local",
    "source.local.unique",
    "source.local.sessionid",
    "source.local.includepatterns",
    "source.local.followpaths",
    "source.local.excludepatterns",
    "source.local.sharedkeyhint",
    "source.local.differ",
    "source.local.metadatatransfer",
    "source.git",
    "source.git.keepgitdir",
    "source.git.fullurl",
    "source.git.httpauth",
    "source.git.knownsshhosts",
    "source.git.mountsshsock",
    "source.git.subdir",
    "source.git.checksum",
    "source.git.skipsubmodules",
    "source.git.mtime",
    "source.git.fetchbycommit",
    "source.git.bundle",
    "source.git.checkoutbundle",
    "source.http",
    "source.http.auth",
    "source.http.checksum",
    "source.http.perm",
    "source.http.header",
    "soruce.http.uidgid",  // spelt so in the protocol
    "source.buildop.llbfilename",

    "exec.meta.base",
    "exec.meta.proxyenv",
    "exec.meta.network",
    "exec.meta.security",
    "exec.meta.security.devices.v1",
    "exec.meta.setsdefaultpath",
    "exec.meta.ulimit",
    "exec.meta.cgroup.parent",
    "exec.meta.linux.resources",
    "exec.cgroup",
    "exec.secretenv",
    "exec.validexitcode",
    "exec.mount.bind",
    "exec.mount.bind.readwrite-nooutput",
    "exec.mount.cache",
    "exec.mount.cache.sharing",
    "exec.mount.cache.content",
    "exec.mount.selector",
    "exec.mount.tmpfs",
    "exec.mount.tmpfs.size",
    "exec.mount.secret",
    "exec.mount.ssh",

    "file.base",
    "file.rm.wildcard",
    "file.rm.nofollowsymlink",
    "file.copy.includeexcludepatterns",
    "file.copy.alwaysreplaceexistingdestpaths",
    "file.copy.requiredpaths",
    "file.symlink.create",

    "exporter.image.attestations",
    "exporter.image.annotations",
    "exporter.sourcedateepoch",
    "exporter.multiple",
    "exporter.session",
    "history.filter",
    "gc.freespacefilter",
};

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
  for (const char* id : kLlbCapabilities) {
    Enable(id, response->add_llbcaps());
  }
}

}  // namespace cairn::control
