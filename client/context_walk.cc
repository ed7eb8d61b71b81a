#include "client/context_walk.h"

#include <fcntl.h>

#include <deque>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/go_match.h"

namespace cairn::client {
namespace {

constexpr int kMaxFollowed = 100000;

bool HasWildcard(string_view text) { return text.find_first_of("*?[\\") != string_view::npos; }

// `path` without ".", ".." above the root and doubled slashes; "" is the root.
std::string Clean(string_view path) {
  std::vector<string_view> parts;
  for (string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") {
      continue;
    }
    if (part == "..") {
      if (!parts.empty()) {
        parts.pop_back();
      }
      continue;
    }
    parts.push_back(part);
  }
  std::string clean;
  for (string_view part : parts) {
    absl::StrAppend(&clean, clean.empty() ? "" : "/", part);
  }
  return clean;
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

// Follows one list of paths through links.
class LinkFollower {
 public:
  explicit LinkFollower(const fs::RootDir& root) : root_(root) {}

  Status Follow(const std::string& path) {
    pending_.push_back(Clean(path));
    for (int steps = 0; !pending_.empty(); ++steps) {
      if (steps > kMaxFollowed) {
        return absl::InvalidArgumentError(absl::StrCat("follow ", path, ": too many links"));
      }
      const std::string next = pending_.front();
      pending_.pop_front();
      if (seen_.insert(next).second) {
        FollowOne(next);
      }
    }
    return absl::OkStatus();
  }

  const std::set<std::string>& resolved() const { return resolved_; }

 private:
  void FollowOne(const std::string& path) {
    std::string current;
    const std::vector<std::string> parts = absl::StrSplit(path, '/');
    for (size_t i = 0; i < parts.size(); ++i) {
      absl::StrAppend(&current, current.empty() ? "" : "/", parts[i]);
      const std::vector<std::string> targets = TargetsOf(current);
      const bool last = i + 1 == parts.size();
      if (!last && targets.empty()) {
        continue;
      }
      resolved_.insert(current);
      std::string rest;
      for (size_t j = i + 1; j < parts.size(); ++j) {
        absl::StrAppend(&rest, "/", parts[j]);
      }
      for (const std::string& target : targets) {
        pending_.push_back(Clean(target + rest));
      }
      return;
    }
  }

  // What the links at `path` (whose last component may be a wildcard) point at.
  std::vector<std::string> TargetsOf(const std::string& path) {
    const std::string parent = ParentOf(path);
    const std::string name = parent.empty() ? path : path.substr(parent.size() + 1);
    std::vector<std::string> targets;
    if (!HasWildcard(name)) {
      AddTarget(path, targets);
      return targets;
    }
    auto directory = root_.OpenFile(parent.empty() ? "." : parent, O_RDONLY | O_DIRECTORY);
    if (!directory.ok()) {
      return targets;
    }
    auto names = fs::ListDirectory(directory->get());
    if (!names.ok()) {
      return targets;
    }
    for (const std::string& candidate : *names) {
      auto matches = GoMatch(name, candidate);
      if (matches.ok() && *matches) {
        AddTarget(parent.empty() ? candidate : absl::StrCat(parent, "/", candidate), targets);
      }
    }
    return targets;
  }

  void AddTarget(const std::string& path, std::vector<std::string>& targets) {
    auto link = root_.ReadLink(path);
    if (link.ok()) {
      targets.push_back(absl::StartsWith(*link, "/")
                            ? Clean(*link)
                            : Clean(absl::StrCat(ParentOf(path), "/", *link)));
    }
  }

  const fs::RootDir& root_;
  std::deque<std::string> pending_;
  std::set<std::string> seen_;
  std::set<std::string> resolved_;
};

// Whether something below the directory `path` could match one of `patterns`, judged by the part of
// each pattern before its first wildcard.
bool MayMatchBelow(const std::string& path, const std::vector<std::string>& patterns) {
  const std::string prefix = path + "/";
  for (const std::string& pattern : patterns) {
    const std::string literal = pattern.substr(0, pattern.find_first_of("*?[\\"));
    if (absl::StartsWith(literal, prefix) ||
        (literal.size() < pattern.size() && absl::StartsWith(prefix, literal))) {
      return true;
    }
  }
  return false;
}

// A directory on the way to the entry being visited.
struct OpenDirectory {
  std::string path;
  PatternMatcher::Parent include;
  PatternMatcher::Parent exclude;
  // Not selected itself: visited when the first entry below it is.
  bool deferred = false;
};

// What a deferred directory's visit needs, kept alive until then.
struct DeferredEntry {
  std::string path;
  std::string name;
  struct stat status;
  std::map<std::string, std::string> xattrs;
};

}  // namespace

StatusOr<std::vector<std::string>> FollowPaths(const fs::RootDir& root,
                                               const std::vector<std::string>& follow) {
  LinkFollower follower(root);
  for (const std::string& path : follow) {
    RETURN_IF_ERROR(follower.Follow(path));
  }
  if (follower.resolved().count("") > 0) {
    return std::vector<std::string>();
  }
  return std::vector<std::string>(follower.resolved().begin(), follower.resolved().end());
}

Status WalkContext(const fs::RootDir& root, const ContextPatterns& patterns,
                   const std::function<Status(const fs::WalkEntry&)>& visit,
                   const CancelToken& cancel) {
  std::vector<std::string> wanted = patterns.include;
  bool everything = wanted.empty();
  if (!patterns.follow.empty()) {
    ASSIGN_OR_RETURN(std::vector<std::string> followed, FollowPaths(root, patterns.follow));
    everything = followed.empty();
    wanted.insert(wanted.end(), followed.begin(), followed.end());
  }
  if (everything) {
    wanted.clear();
  }
  ASSIGN_OR_RETURN(const PatternMatcher include, PatternMatcher::Create(wanted));
  ASSIGN_OR_RETURN(const PatternMatcher exclude, PatternMatcher::Create(patterns.exclude));
  const std::vector<std::string> include_patterns = include.patterns();

  std::vector<OpenDirectory> open = {OpenDirectory{}};
  std::vector<DeferredEntry> deferred;  // one for each deferred directory of `open`

  auto visit_deferred = [&]() -> Status {
    for (const DeferredEntry& entry : deferred) {
      const std::string no_link;
      RETURN_IF_ERROR(visit(fs::WalkEntry{entry.path, entry.name, -1, fs::Kind::kDirectory,
                                          entry.status, no_link, entry.xattrs}));
    }
    deferred.clear();
    for (OpenDirectory& directory : open) {
      directory.deferred = false;
    }
    return absl::OkStatus();
  };

  auto enter = [&](const fs::WalkEntry& entry) -> StatusOr<fs::WalkAction> {
    OpenDirectory self{.path = entry.path};
    bool selected = true;
    if (!include.empty()) {
      selected = include.MatchesBelow(entry.path, open.back().include, &self.include);
    }
    const bool excluded =
        !exclude.empty() && exclude.MatchesBelow(entry.path, open.back().exclude, &self.exclude);
    const bool directory = entry.kind == fs::Kind::kDirectory;
    if (directory) {
      if (excluded && !exclude.has_exceptions()) {
        return fs::WalkAction::kSkip;
      }
      if (!selected && !MayMatchBelow(entry.path, include_patterns)) {
        return fs::WalkAction::kSkip;
      }
    } else if (excluded || !selected || entry.kind == fs::Kind::kSocket) {
      return fs::WalkAction::kContinue;
    }
    if (directory && (excluded || !selected)) {
      self.deferred = true;
      deferred.push_back({entry.path, entry.name, entry.status, entry.xattrs});
      open.push_back(std::move(self));
      return fs::WalkAction::kContinue;
    }
    RETURN_IF_ERROR(visit_deferred());
    RETURN_IF_ERROR(visit(entry));
    if (directory) {
      open.push_back(std::move(self));
    }
    return fs::WalkAction::kContinue;
  };

  auto leave = [&](const std::string& path) -> Status {
    if (open.back().path == path) {
      if (open.back().deferred) {
        deferred.pop_back();
      }
      open.pop_back();
    }
    return absl::OkStatus();
  };
  return fs::WalkTree(root.fd(), {.xattrs = true, .cancel = cancel}, enter, leave);
}

}  // namespace cairn::client
