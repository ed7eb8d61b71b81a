#include "daemon/frontend/dockerfile/sources.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/dispatch_parts.h"
#include "runtime/base/go_match.h"

namespace cairn::dockerfile {
namespace {

void SetAttribute(llb::Node& node, const std::string& key, const std::string& value) {
  (*node.op.mutable_source()->mutable_attrs())[key] = value;
}

std::string ToJsonList(const std::vector<std::string>& list) {
  return nlohmann::json(list).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

llb::Output ImageSource(const std::string& reference, const Platform& platform,
                        const std::string& resolve_mode) {
  const llb::Output output = llb::Source(absl::StrCat("docker-image://", reference));
  SetPlatform(platform, output.node->op);
  output.node->AddCapability("source.image");
  if (resolve_mode != "default") {
    SetAttribute(*output.node, "image.resolvemode", resolve_mode);
    if (resolve_mode == "pull") {
      output.node->AddCapability("source.image.resolvemode");
    }
  }
  return output;
}

llb::Output OciLayoutSource(const std::string& reference, const std::optional<Platform>& platform,
                            const std::string& session_id, const std::string& store_id) {
  const llb::Output output = llb::Source(absl::StrCat("oci-layout://", reference));
  if (platform.has_value()) {
    SetPlatform(*platform, output.node->op);
  }
  output.node->AddCapability("source.ocilayout");
  if (!session_id.empty()) {
    SetAttribute(*output.node, "oci.session", session_id);
  }
  if (!store_id.empty()) {
    SetAttribute(*output.node, "oci.store", store_id);
  }
  return output;
}

llb::Output GitSource(const GitReference& git) {
  std::string id = absl::StrCat(git.host, JoinPath("/", git.path));
  if (!git.ref.empty() || !git.subdir.empty()) {
    absl::StrAppend(&id, "#", git.ref);
    if (!git.subdir.empty()) {
      absl::StrAppend(&id, ":", git.subdir);
    }
  }
  const llb::Output output = llb::Source(absl::StrCat("git://", id));
  llb::Node& node = *output.node;
  node.AddCapability("source.git");
  SetAttribute(node, "git.fullurl",
               git.may_be_local ? absl::StrCat("https://", git.remote) : git.remote);
  node.AddCapability("source.git.fullurl");
  SetAttribute(node, "git.authtokensecret", "GIT_AUTH_TOKEN");
  SetAttribute(node, "git.authheadersecret", "GIT_AUTH_HEADER");
  if (git.scheme == "ssh") {
    SetAttribute(node, "git.mountsshsock", "default");
    node.AddCapability("source.git.mountsshsock");
  }
  if (git.keep_git_dir.value_or(false)) {
    SetAttribute(node, "git.keepgitdir", "true");
    node.AddCapability("source.git.keepgitdir");
  }
  if (!git.checksum.empty()) {
    SetAttribute(node, "git.checksum", git.checksum);
    node.AddCapability("source.git.checksum");
  }
  if (!git.submodules.value_or(true)) {
    SetAttribute(node, "git.skipsubmodules", "true");
    node.AddCapability("source.git.skipsubmodules");
  }
  if (!git.mtime.empty()) {
    SetAttribute(node, "git.mtime", git.mtime);
    node.AddCapability("source.git.mtime");
  }
  if (git.fetch_by_commit) {
    SetAttribute(node, "git.fetchbycommit", "true");
    node.AddCapability("source.git.fetchbycommit");
  }
  return output;
}

llb::Output HttpSource(const std::string& url, const std::string& file_name,
                       const std::string& checksum) {
  const llb::Output output = llb::Source(url);
  output.node->AddCapability("source.http");
  SetAttribute(*output.node, "http.filename", file_name);
  if (!checksum.empty()) {
    SetAttribute(*output.node, "http.checksum", checksum);
    output.node->AddCapability("source.http.checksum");
  }
  return output;
}

llb::Output LocalSource(const std::string& name, const LocalSourceOptions& options) {
  const llb::Output output = llb::Source(absl::StrCat("local://", name));
  llb::Node& node = *output.node;
  node.AddCapability("source.local");
  if (!options.session_id.empty()) {
    SetAttribute(node, "local.session", options.session_id);
    node.AddCapability("source.local.sessionid");
  }
  if (!options.shared_key_hint.empty()) {
    SetAttribute(node, "local.sharedkeyhint", options.shared_key_hint);
    node.AddCapability("source.local.sharedkeyhint");
  }
  if (!options.exclude_patterns.empty()) {
    SetAttribute(node, "local.excludepatterns", ToJsonList(options.exclude_patterns));
    node.AddCapability("source.local.excludepatterns");
  }
  if (!options.follow_paths.empty()) {
    SetAttribute(node, "local.followpaths", ToJsonList(options.follow_paths));
    node.AddCapability("source.local.followpaths");
  }
  if (options.differ_none) {
    SetAttribute(node, "local.differ", "none");
  }
  return output;
}

void SetFollowPaths(llb::Node& local, const std::vector<std::string>& paths) {
  std::vector<std::string> relative;
  for (const std::string& path : paths) {
    if (path == "/") {
      return;
    }
    relative.push_back(CleanPath(absl::StrCat("./", path)));
  }
  if (relative.empty()) {
    return;
  }
  std::sort(relative.begin(), relative.end());
  SetAttribute(local, "local.followpaths", ToJsonList(relative));
  local.AddCapability("source.local.followpaths");
}

}  // namespace cairn::dockerfile
