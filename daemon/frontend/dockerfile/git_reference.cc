#include "daemon/frontend/dockerfile/git_reference.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/location.h"
#include "daemon/frontend/dockerfile/text.h"
#include "runtime/base/go_match.h"
#include "runtime/net/url.h"

namespace cairn::dockerfile {
namespace {

using Query = std::map<std::string, std::vector<std::string>>;

// Text that would not be UTF-8 when decoded is left as it is.
std::string PercentDecode(string_view text, bool plus_is_space) {
  std::string out = net::PercentDecode(text, plus_is_space);
  return IsUtf8(out) ? out : std::string(text);
}

Query ParseQuery(string_view text) {
  Query query;
  for (const string_view part : absl::StrSplit(text, '&', absl::SkipEmpty())) {
    const size_t equals = part.find('=');
    query[PercentDecode(part.substr(0, equals), true)].push_back(
        equals == string_view::npos ? "" : PercentDecode(part.substr(equals + 1), true));
  }
  return query;
}

// Splits "#fragment" and "?query" off `url`.
string_view TakeOptions(string_view url, std::string& fragment, Query& query) {
  const size_t hash = url.find('#');
  if (hash != string_view::npos) {
    fragment = PercentDecode(url.substr(hash + 1), false);
    url = url.substr(0, hash);
  }
  const size_t question = url.find('?');
  if (question != string_view::npos) {
    query = ParseQuery(url.substr(question + 1));
    url = url.substr(0, question);
  }
  return url;
}

void SetFragment(const std::string& fragment, GitReference& git) {
  if (fragment.empty()) {
    return;
  }
  const size_t colon = fragment.find(':');
  git.ref = fragment.substr(0, colon);
  const string_view subdir =
      colon == std::string::npos ? string_view() : string_view(fragment).substr(colon + 1);
  git.subdir = JoinPath("/", subdir).substr(1);
}

Status SetUnlessOther(string_view what, const std::string& value, std::string& target) {
  if (!target.empty() && target != value) {
    return Error(absl::StrCat(what, " conflicts: ", Quote(target), " vs ", Quote(value)));
  }
  target = value;
  return absl::OkStatus();
}

StatusOr<bool> ParseSwitch(const std::string& key, const std::string& value) {
  if (value.empty()) {
    return true;
  }
  const StatusOr<bool> parsed = ParseBool(value);
  if (!parsed.ok()) {
    return Error(absl::StrCat("invalid ", key, " value: ", Quote(value)));
  }
  return parsed;
}

Status SetQueryValue(const std::string& key, const std::string& value, GitReference& git) {
  if (key == "ref") {
    return SetUnlessOther("ref", value, git.ref);
  }
  if (key == "subdir") {
    return SetUnlessOther("subdir", value, git.subdir);
  }
  if (key == "checksum" || key == "commit") {
    git.checksum = value;
  } else if (key == "keep-git-dir") {
    ASSIGN_OR_RETURN(git.keep_git_dir, ParseSwitch(key, value));
  } else if (key == "submodules") {
    ASSIGN_OR_RETURN(git.submodules, ParseSwitch(key, value));
  } else if (key == "fetch-by-commit") {
    ASSIGN_OR_RETURN(git.fetch_by_commit, ParseSwitch(key, value));
  } else if (key == "mtime") {
    if (value != "checkout" && value != "commit") {
      return Error(absl::StrCat("invalid mtime value: ", Quote(value),
                                " (must be \"checkout\" or \"commit\")"));
    }
    git.mtime = value;
  } else if (key != "tag" && key != "branch") {
    return Error(absl::StrCat("unexpected query ", Quote(key)));
  }
  return absl::OkStatus();
}

std::string WithPrefix(string_view prefix, const std::string& name) {
  return absl::StartsWith(name, prefix) ? name : absl::StrCat(prefix, name);
}

Status SetQuery(const Query& query, GitReference& git) {
  for (const auto& [key, values] : query) {
    if (values.size() > 1) {
      return Error(absl::StrCat("query ", Quote(key), " has multiple values"));
    }
    if (values[0].empty() && key != "submodules" && key != "keep-git-dir" &&
        key != "fetch-by-commit") {
      return Error(absl::StrCat("query ", Quote(key), " has no value"));
    }
    RETURN_IF_ERROR(SetQueryValue(key, values[0], git));
  }
  const auto tag = query.find("tag");
  const auto branch = query.find("branch");
  if (tag != query.end()) {
    RETURN_IF_ERROR(SetUnlessOther("ref", WithPrefix("refs/tags/", tag->second[0]), git.ref));
  }
  if (branch != query.end()) {
    if (tag != query.end()) {
      return Error("branch conflicts with tag");
    }
    RETURN_IF_ERROR(SetUnlessOther("ref", WithPrefix("refs/heads/", branch->second[0]), git.ref));
  }
  return absl::OkStatus();
}

// "user@host:path", as ssh writes it; the user is required.
bool SplitScpStyle(string_view text, GitReference& git) {
  const size_t at = text.find('@');
  const size_t colon = text.find(':');
  if (at == string_view::npos || at == 0 || colon == string_view::npos || colon < at + 2) {
    return false;
  }
  const auto is_host = [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_';
  };
  const string_view user = text.substr(0, at);
  const string_view host = text.substr(at + 1, colon - at - 1);
  if (!std::all_of(user.begin(), user.end(), is_host) ||
      !std::all_of(host.begin(), host.end(), is_host) || colon + 1 == text.size()) {
    return false;
  }
  git.scheme = "ssh";
  git.host = std::string(host);
  git.path = std::string(text.substr(colon + 1));
  git.remote = std::string(text);
  return true;
}

// "scheme://[user@]host/path"; false for an unknown scheme.
bool SplitUrl(string_view text, GitReference& git) {
  const size_t separator = text.find("://");
  const string_view scheme = text.substr(0, separator);
  if (separator == string_view::npos || scheme.empty() ||
      !std::all_of(scheme.begin(), scheme.end(), absl::ascii_isalnum)) {
    return false;
  }
  git.scheme = absl::AsciiStrToLower(scheme);
  if (git.scheme != "http" && git.scheme != "https" && git.scheme != "ssh" && git.scheme != "git") {
    return false;
  }
  string_view rest = text.substr(separator + 3);
  const size_t slash = rest.find('/');
  string_view authority = rest.substr(0, slash);
  git.path = slash == string_view::npos ? "" : PercentDecode(rest.substr(slash), false);
  const size_t at = authority.rfind('@');
  git.host = std::string(at == string_view::npos ? authority : authority.substr(at + 1));
  git.remote = absl::StrCat(git.scheme, "://", rest);
  return true;
}

}  // namespace

StatusOr<std::optional<GitReference>> GitReference::Parse(string_view text) {
  if (absl::StartsWith(text, "./") || absl::StartsWith(text, "../")) {
    return std::nullopt;
  }
  GitReference git;
  std::string fragment;
  Query query;
  const string_view url = TakeOptions(text, fragment, query);
  if (absl::StartsWith(url, "github.com/")) {
    git.may_be_local = true;
    if (!SplitUrl(absl::StrCat("https://", url), git)) {
      return std::nullopt;
    }
    git.remote = std::string(url);
  } else if (!SplitUrl(url, git)) {
    if (url.find("://") != string_view::npos || !SplitScpStyle(url, git)) {
      return std::nullopt;
    }
  } else if ((git.scheme == "http" || git.scheme == "https") && !absl::EndsWith(git.path, ".git")) {
    return std::nullopt;
  }
  SetFragment(fragment, git);
  RETURN_IF_ERROR(SetQuery(query, git));
  return git;
}

bool IsGitSource(string_view text) {
  const StatusOr<std::optional<GitReference>> git = GitReference::Parse(text);
  return git.ok() && git->has_value();
}

bool IsHttpSource(string_view text) {
  return (absl::StartsWith(text, "http://") || absl::StartsWith(text, "https://")) &&
         !IsGitSource(text);
}

std::string UrlFileName(string_view url) {
  const size_t separator = url.find("://");
  if (separator != string_view::npos) {
    url.remove_prefix(separator + 3);
  }
  url = url.substr(0, url.find_first_of("?#"));
  const size_t slash = url.find('/');
  const std::string path =
      slash == string_view::npos ? "" : PercentDecode(url.substr(slash), false);
  string_view trimmed = path;
  while (absl::ConsumeSuffix(&trimmed, "/")) {
  }
  const std::string name(trimmed.substr(trimmed.rfind('/') + 1));
  return name.empty() || name == "." ? "__unnamed__" : name;
}

}  // namespace cairn::dockerfile
