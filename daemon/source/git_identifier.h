// GitIdentifier: what a git:// source names, and how it is to be got.
//
// Source: protocol.md 5.3 (git:// and git.* attributes).
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace pb {
class SourceOp;
}  // namespace pb

namespace cairn::source {

struct GitIdentifier {
  std::string remote;  // what git is given: an http, https, ssh or git URL, or "user@host:path"
  std::string host;    // with the port, if the URL has one
  std::string ref;     // branch, tag, whole ref or whole commit hash; empty for the default branch
  std::string subdir;  // relative and clean; empty for the root
  std::string checksum;  // that the commit (or the tag's object) must begin with
  bool keep_git_dir = false;
  bool skip_submodules = false;
  bool commit_times = false;     // files have the commit's time, not the time they were written
  bool fetch_by_commit = false;  // `checksum` is the whole commit, nobody asks for `ref`
  std::string token_secret;
  std::string header_secret;
  std::string known_hosts;  // the content of such a file
  std::string ssh_agent;    // id

  // Reads identifier and attributes. kInvalidArgument for what git must not see (another scheme, a
  // ref or URL that would be taken for an option, control characters), kUnimplemented for bundles
  // and signatures.
  static StatusOr<GitIdentifier> Parse(const pb::SourceOp& source);

  // `remote` without credentials, for messages.
  std::string shown() const;
};

// Whether `text` is a whole commit hash: 40 or 64 lower-case hexadecimal digits.
bool IsCommitHash(string_view text);

}  // namespace cairn::source
