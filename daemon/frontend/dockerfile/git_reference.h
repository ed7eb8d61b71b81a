// GitReference: a build context or ADD source that is a git repository.
//
// "https://host/repo.git#ref:subdir", "git://..", "ssh://..", "git@host:path", "github.com/a/b",
// and the query form "..git?ref=..&subdir=..". An http(s) URL is one only when its path ends in
// ".git".
#pragma once

#include <optional>
#include <string>

#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct GitReference {
  std::string scheme;  // http, https, ssh, git
  std::string host;    // with port
  std::string path;
  std::string remote;  // what git is given: the URL without fragment and query
  std::string ref;
  std::string subdir;
  std::string checksum;  // of the commit
  // "github.com/..", which may as well be a local path: accepted for contexts only.
  bool may_be_local = false;
  std::optional<bool> keep_git_dir;
  std::optional<bool> submodules;
  std::string mtime;  // "", "checkout" or "commit"
  bool fetch_by_commit = false;

  // nullopt when `text` is no git reference; an error when it is one with a bad query.
  static StatusOr<std::optional<GitReference>> Parse(string_view text);
};

// Whether `text` is an http(s) URL of a file rather than of a repository.
bool IsHttpSource(string_view text);
bool IsGitSource(string_view text);

// The last element of the path of an http(s) URL; "__unnamed__" when there is none.
std::string UrlFileName(string_view url);

}  // namespace cairn::dockerfile
