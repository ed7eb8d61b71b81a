// Source ops: images, repositories, URLs and directories of the client, with their attributes
// (protocol.md 5.3).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/git_reference.h"
#include "daemon/llb/builder.h"
#include "runtime/base/platform.h"

namespace cairn::dockerfile {

// An image; `resolve_mode` is default, pull or local.
llb::Output ImageSource(const std::string& reference, const Platform& platform,
                        const std::string& resolve_mode);

// An image of an OCI layout that `session_id` serves as `store_id`.
llb::Output OciLayoutSource(const std::string& reference, const std::optional<Platform>& platform,
                            const std::string& session_id, const std::string& store_id);

// A checkout of `git`.
llb::Output GitSource(const GitReference& git);

// A file named `file_name` with what `url` serves. `checksum` may be empty.
llb::Output HttpSource(const std::string& url, const std::string& file_name,
                       const std::string& checksum);

struct LocalSourceOptions {
  std::string session_id;
  std::string shared_key_hint;
  std::vector<std::string> follow_paths;  // empty: everything
  std::vector<std::string> exclude_patterns;
  bool differ_none = false;  // send files again rather than compare their metadata
};

// The client's directory `name`.
llb::Output LocalSource(const std::string& name, const LocalSourceOptions& options);

// Narrows a local source to `paths` (as instructions use them); "/" among them means everything.
void SetFollowPaths(llb::Node& local, const std::vector<std::string>& paths);

}  // namespace cairn::dockerfile
