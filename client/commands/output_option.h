// --output, --secret, --ssh and --cache-*: comma-separated key=value lists as Docker's command line
// takes them, with RFC 4180 quoting.
//
// Pure functions, except that they look whether a path is a directory.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "client/build.h"
#include "client/session.h"

namespace cairn::client {

// "type=local,dest=out" -> {{"type","local"},{"dest","out"}}. A field without '=' has an empty
// value.
StatusOr<std::map<std::string, std::string>> ParseFields(const std::string& text);

// One --output and where its data goes at this end, if anywhere.
struct OutputOption {
  BuildRequest::Output output;
  std::vector<ExportTarget> targets;  // none or one; its index is set by the caller
  std::string layout;                 // tar=false: the directory of an OCI image layout
};

// "out" is type=local,dest=out; "-" is type=tar,dest=-. "type=cacheonly" keeps no result: the build
// is run for its cache, and the returned output has that type.
StatusOr<OutputOption> ParseOutput(const std::string& text);

// "id=token,src=file", "id=token,env=TOKEN", "type=file|env".
StatusOr<SecretSource> ParseSecret(const std::string& text);

// "default", "id=/path/to/agent.sock"; without a path the agent of SSH_AUTH_SOCK.
StatusOr<SshAgentSource> ParseSsh(const std::string& text);

// "user/app:cache" is type=registry,ref=...
StatusOr<BuildRequest::Output> ParseCache(const std::string& text);

}  // namespace cairn::client
