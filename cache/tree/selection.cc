#include "cache/tree/selection.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cache/tree/codec.h"
#include "cache/tree/path.h"
#include "runtime/base/go_match.h"
#include "runtime/base/pattern.h"

namespace cairn::tree {
namespace {

class Filtering {
 public:
  // Without `keep` the result is only described: `content` is right, and nothing is stored.
  Filtering(TreeStore& store, PatternMatcher include, PatternMatcher exclude, bool keep)
      : store_(store), include_(std::move(include)), exclude_(std::move(exclude)), keep_(keep) {}

  struct Parents {
    PatternMatcher::Parent include;
    PatternMatcher::Parent exclude;
  };

  // nullopt when nothing is selected and `selected`, the directory itself, is not.
  StatusOr<std::optional<TreeRef>> Run(const std::string& path, const TreeRef& tree,
                                       const Parents& parents, bool selected, int depth) {
    if (depth > kMaxDepth) {
      return absl::ResourceExhaustedError("directories are nested too deeply");
    }
    ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> directory, store_.Load(tree.digest));
    Directory result;
    result.metadata = directory->metadata;
    for (const Entry& entry : directory->entries) {
      const std::string below = path.empty() ? entry.name : absl::StrCat(path, "/", entry.name);
      Parents own;
      const bool included =
          include_.empty() || include_.MatchesBelow(below, parents.include, &own.include);
      const bool excluded =
          !exclude_.empty() && exclude_.MatchesBelow(below, parents.exclude, &own.exclude);
      const bool taken = included && !excluded;
      if (entry.type != Entry::Type::kDirectory) {
        if (taken) {
          result.entries.push_back(entry);
        }
        continue;
      }
      if (excluded && !exclude_.has_exceptions()) {
        continue;
      }
      ASSIGN_OR_RETURN(std::optional<TreeRef> child,
                       Run(below, *entry.directory, own, taken, depth + 1));
      if (child) {
        result.entries.push_back(entry);
        result.entries.back().directory = std::move(child);
      }
    }
    if (result.entries.empty() && !selected) {
      return std::nullopt;
    }
    if (keep_) {
      ASSIGN_OR_RETURN(TreeRef stored, store_.Store(std::move(result)));
      return std::optional<TreeRef>(std::move(stored));
    }
    return std::optional<TreeRef>(Describe(result, tree.digest, tree.encoded_size));
  }

 private:
  TreeStore& store_;
  const PatternMatcher include_;
  const PatternMatcher exclude_;
  const bool keep_;
};

StatusOr<TreeRef> RunFilter(TreeStore& store, const TreeRef& tree,
                            const std::vector<std::string>& include,
                            const std::vector<std::string>& exclude, bool keep) {
  ASSIGN_OR_RETURN_IN(PatternMatcher included, PatternMatcher::Create(include),
                      absl::StrCat("invalid includepatterns: [", absl::StrJoin(include, " "), "]"));
  ASSIGN_OR_RETURN_IN(PatternMatcher excluded, PatternMatcher::Create(exclude),
                      absl::StrCat("invalid excludepatterns: [", absl::StrJoin(exclude, " "), "]"));
  if (included.empty() && excluded.empty()) {
    return tree;
  }
  Filtering filtering(store, std::move(included), std::move(excluded), keep);
  ASSIGN_OR_RETURN(std::optional<TreeRef> result,
                   filtering.Run("", tree, Filtering::Parents(), true, 0));
  return *std::move(result);
}

// Matches below one directory, from the pattern component `next` on.
Status Expand(TreeStore& store, const TreeRef& directory, const std::string& path,
              const std::vector<std::string>& pattern, size_t next, std::vector<Found>& found) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> loaded, store.Load(directory.digest));
  for (const Entry& entry : loaded->entries) {
    ASSIGN_OR_RETURN(const bool matches, GoMatch(pattern[next], entry.name));
    if (!matches || entry.type == Entry::Type::kWhiteout) {
      continue;
    }
    const std::string below = path.empty() ? entry.name : absl::StrCat(path, "/", entry.name);
    if (next + 1 == pattern.size()) {
      found.push_back({below, entry});
    } else if (entry.type == Entry::Type::kDirectory) {
      RETURN_IF_ERROR(Expand(store, *entry.directory, below, pattern, next + 1, found));
    }
  }
  return absl::OkStatus();
}

string_view BaseName(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? string_view(path) : string_view(path).substr(slash + 1);
}

// The content digest of one entry without its name, filtered when it is a directory.
StatusOr<Digest> EntryContent(TreeStore& store, const Entry& entry, const Selection& selection) {
  if (entry.type == Entry::Type::kDirectory) {
    ASSIGN_OR_RETURN(const TreeRef filtered, RunFilter(store, *entry.directory, selection.include,
                                                       selection.exclude, false));
    return filtered.content;
  }
  Directory alone;
  alone.entries.push_back(entry);
  alone.entries.back().name = "-";
  return ContentOf(alone);
}

// A line for each thing that `path` selects.
StatusOr<std::string> DescribePath(TreeStore& store, const TreeRef& root, const std::string& path,
                                   const Selection& selection) {
  if (!selection.wildcards || !HasGoWildcard(path)) {
    ASSIGN_OR_RETURN(const Found found, Lookup(store, root, path, selection.follow));
    ASSIGN_OR_RETURN(const Digest content, EntryContent(store, found.entry, selection));
    return absl::StrCat("path ", content.ToString(), "\n");
  }
  ASSIGN_OR_RETURN(const std::vector<Found> matches,
                   ExpandWildcards(store, root, path, selection.follow));
  std::string lines = "pattern\n";
  for (const Found& match : matches) {
    ASSIGN_OR_RETURN(const Digest content, EntryContent(store, match.entry, selection));
    absl::StrAppend(&lines, "match ", content.ToString(), " ",
                    absl::CHexEscape(BaseName(match.path)), "\n");
  }
  return lines;
}

}  // namespace

StatusOr<std::vector<Found>> ExpandWildcards(TreeStore& store, const TreeRef& root,
                                             string_view pattern, bool follow) {
  const std::vector<std::string> components = SplitPath(pattern);
  size_t first = 0;
  while (first < components.size() && !HasGoWildcard(components[first])) {
    ++first;
  }
  std::vector<Found> found;
  const std::string start = absl::StrJoin(components.begin(), components.begin() + first, "/");
  StatusOr<Found> at = Lookup(store, root, start, follow || first < components.size());
  if (absl::IsNotFound(at.status())) {
    return found;
  }
  RETURN_IF_ERROR(at.status());
  if (first == components.size()) {
    found.push_back({start, at->entry});
    return found;
  }
  if (at->entry.type != Entry::Type::kDirectory) {
    return found;
  }
  const std::vector<std::string> rest(components.begin() + first, components.end());
  RETURN_IF_ERROR(Expand(store, *at->entry.directory, at->path, rest, 0, found));
  if (follow) {
    for (Found& match : found) {
      if (match.entry.type == Entry::Type::kSymlink) {
        ASSIGN_OR_RETURN(Found target, Lookup(store, root, match.path, true));
        match.entry = std::move(target.entry);
      }
    }
  }
  return found;
}

StatusOr<TreeRef> Filter(TreeStore& store, const TreeRef& tree,
                         const std::vector<std::string>& include,
                         const std::vector<std::string>& exclude) {
  return RunFilter(store, tree, include, exclude, true);
}

StatusOr<Digest> ContentDigest(TreeStore& store, const TreeRef& root, const Selection& selection) {
  if (selection.include.empty() && selection.exclude.empty() && selection.paths.size() == 1 &&
      SplitPath(selection.paths.front()).empty()) {
    return root.content;
  }
  std::string preimage = "selection 1\n";
  for (const std::string& path : selection.paths) {
    ASSIGN_OR_RETURN(const std::string lines, DescribePath(store, root, path, selection));
    preimage += lines;
  }
  return Digest::Of(preimage);
}

}  // namespace cairn::tree
