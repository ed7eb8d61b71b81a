// BuildOptions: what a client asks of the Dockerfile frontend, read from its attributes
// (protocol.md 6.1). Unknown attributes are ignored. A value type.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/frontend/dockerfile/linter.h"
#include "proto/ops.pb.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct SbomOptions {
  std::string generator;  // image reference of the scanner
  std::map<std::string, std::string> parameters;

  // What `attributes` ask for, if they do. Malformed values are errors.
  static StatusOr<std::optional<SbomOptions>> Parse(
      const std::map<std::string, std::string>& attributes);
};

struct BuildOptions {
  std::map<std::string, std::string> build_args;
  std::map<std::string, std::string> labels;
  std::string target;
  std::vector<Platform> target_platforms;  // empty: the daemon's own
  bool multi_platform = false;             // return refs by platform, even for one
  std::string image_resolve_mode = "default";
  std::vector<std::pair<std::string, std::string>> extra_hosts;  // name, address
  pb::NetMode network = pb::UNSET;
  std::string hostname;
  int64_t shm_size = 0;  // bytes; 0: as it is
  std::vector<pb::Ulimit> ulimits;
  std::string cgroup_parent;
  std::optional<pb::LinuxResources> resources;
  std::string cache_mount_namespace;
  std::optional<LintOptions> lint;  // overrides "# check="
  std::optional<SbomOptions> sbom;

  // Reads `attributes`; malformed values are errors.
  static StatusOr<BuildOptions> Parse(const std::map<std::string, std::string>& attributes);

  // Whether "no-cache" covers stage `name`.
  bool IgnoresCache(const std::string& name) const;

 private:
  bool no_cache_ = false;
  std::vector<std::string> no_cache_stages_;  // empty: all
};

// The attributes that begin with `prefix`, without it.
std::map<std::string, std::string> WithPrefixRemoved(
    const std::map<std::string, std::string>& attributes, const std::string& prefix);

}  // namespace cairn::dockerfile
