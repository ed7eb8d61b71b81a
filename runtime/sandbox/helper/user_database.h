// Finds out as whom a process runs: "name", "uid", "name:group", "uid:gid" and mixes of them,
// against /etc/passwd and /etc/group of a container's root (passwd(5), group(5)).
//
// The files belong to an image that nobody vouches for: they are opened inside the root, must be
// regular, and may be 10 MiB at most. A number is never looked up as a name, and what is not a
// plain decimal number within 0..2147483647 is never taken for one.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace cairn::sandbox {

struct UserIdentity {
  uid_t uid = 0;
  gid_t gid = 0;
  // Supplementary groups, without `gid`.
  std::vector<gid_t> groups;
  std::string home = "/";
};

// Resolves `text` (empty: root) inside `root`. Returns an empty string, or the message for the
// user: "unable to find user app: no matching entries in passwd file".
std::string ResolveUser(int root, const std::string& text, UserIdentity& identity);

}  // namespace cairn::sandbox
