// Resolves a path within a tree of any representation: links are followed, ".." stops at the root.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/tree/directory.h"

namespace cairn::tree {

// Links that one resolution follows at most, as containerd's do.
inline constexpr int kMaxLinks = 255;

// The components of `path` without empty ones and "."; ".." stays.
std::vector<std::string> SplitPath(string_view path);

// kInvalidArgument: "too many links".
Status TooManyLinksError();
// kNotFound: "\"/<path>\": not found".
Status PathNotFoundError(string_view path);

// Where a path led.
template <typename Dir>
struct Resolved {
  struct Level {
    std::string name;  // "" for the root
    Dir directory;
  };
  std::vector<Level> levels;  // the directories on the way, the root first
  // What comes after the last of `levels`: nothing when the path is that directory; one component
  // when it is, or would be, in it; more when directories are missing (or are no directories).
  std::vector<std::string> tail;
  // What `tail`'s only component is, when it exists and is no directory.
  std::optional<Entry> entry;

  bool is_directory() const { return tail.empty(); }
  bool exists() const { return tail.empty() || entry.has_value(); }

  std::string path() const {
    std::string joined;
    const auto add = [&joined](const std::string& name) {
      joined += joined.empty() ? "" : "/";
      joined += name;
    };
    for (const Level& level : levels) {
      add(level.name);
    }
    for (const std::string& name : tail) {
      add(name);
    }
    return joined;
  }
};

// `find(directory, name)` returns StatusOr<std::optional<Entry>>; `enter(directory, entry)`
// StatusOr<Dir>. The last component is followed when `follow`.
template <typename Dir, typename Find, typename Enter>
StatusOr<Resolved<Dir>> ResolvePath(Dir root, string_view path, bool follow, const Find& find,
                                    const Enter& enter) {
  Resolved<Dir> at;
  at.levels.push_back({"", std::move(root)});
  const std::vector<std::string> components = SplitPath(path);
  std::deque<std::string> pending(components.begin(), components.end());
  int links = 0;
  while (!pending.empty()) {
    const std::string name = std::move(pending.front());
    pending.pop_front();
    if (name == "..") {
      if (!at.tail.empty()) {
        at.tail.pop_back();
      } else if (at.levels.size() > 1) {
        at.levels.pop_back();
      }
      continue;
    }
    if (!at.tail.empty()) {
      at.tail.push_back(name);
      continue;
    }
    ASSIGN_OR_RETURN(std::optional<Entry> entry, find(at.levels.back().directory, name));
    if (entry && entry->type == Entry::Type::kDirectory) {
      ASSIGN_OR_RETURN(Dir child, enter(at.levels.back().directory, *entry));
      at.levels.push_back({name, std::move(child)});
    } else if (entry && entry->type == Entry::Type::kSymlink && (!pending.empty() || follow)) {
      if (++links > kMaxLinks) {
        return TooManyLinksError();
      }
      if (entry->target.front() == '/') {
        at.levels.erase(at.levels.begin() + 1, at.levels.end());
      }
      const std::vector<std::string> target = SplitPath(entry->target);
      pending.insert(pending.begin(), target.begin(), target.end());
    } else {
      at.tail.push_back(name);
      if (pending.empty()) {
        at.entry = std::move(entry);
      }
    }
  }
  return at;
}

}  // namespace cairn::tree
