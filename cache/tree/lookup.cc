#include <deque>

#include "absl/strings/str_cat.h"
#include "cache/tree/algebra.h"
#include "cache/tree/path.h"

namespace cairn::tree {
namespace {

struct Opened {
  Entry entry;
  std::shared_ptr<const Directory> directory;
};

StatusOr<Resolved<Opened>> Resolve(TreeStore& store, const TreeRef& root, string_view path,
                                   bool follow) {
  const auto enter = [&store](const Opened&, const Entry& entry) -> StatusOr<Opened> {
    ASSIGN_OR_RETURN(std::shared_ptr<const Directory> directory,
                     store.Load(entry.directory->digest));
    return Opened{entry, std::move(directory)};
  };
  const auto find = [](const Opened& in,
                       const std::string& name) -> StatusOr<std::optional<Entry>> {
    const Entry* entry = in.directory->Find(name);
    return entry == nullptr || entry->type == Entry::Type::kWhiteout ? std::optional<Entry>()
                                                                     : std::optional<Entry>(*entry);
  };
  Entry top;
  top.type = Entry::Type::kDirectory;
  top.directory = root;
  ASSIGN_OR_RETURN(Opened start, enter(Opened(), top));
  return ResolvePath<Opened>(std::move(start), path, follow, find, enter);
}

}  // namespace

StatusOr<Found> Lookup(TreeStore& store, const TreeRef& root, string_view path, bool follow) {
  ASSIGN_OR_RETURN(Resolved<Opened> at, Resolve(store, root, path, follow));
  if (!at.exists()) {
    return PathNotFoundError(path);
  }
  return Found{at.path(),
               at.is_directory() ? std::move(at.levels.back().directory.entry) : *at.entry};
}

StatusOr<std::string> ResolveIn(TreeStore& store, const TreeRef& root, string_view path) {
  ASSIGN_OR_RETURN(const Resolved<Opened> at, Resolve(store, root, path, /*follow=*/true));
  return at.path();
}

Status Walk(TreeStore& store, const TreeRef& root,
            const std::function<StatusOr<Visit>(const std::string& path, const Entry& entry,
                                                const Directory* directory)>& visit) {
  struct Level {
    std::shared_ptr<const Directory> directory;
    size_t next = 0;
    size_t path_size = 0;
  };
  std::deque<Level> levels;
  ASSIGN_OR_RETURN(std::shared_ptr<const Directory> top, store.Load(root.digest));
  levels.push_back({std::move(top), 0, 0});
  std::string path;
  while (!levels.empty()) {
    Level& level = levels.back();
    path.resize(level.path_size);
    if (level.next == level.directory->entries.size()) {
      levels.pop_back();
      continue;
    }
    const Entry& entry = level.directory->entries[level.next++];
    absl::StrAppend(&path, path.empty() ? "" : "/", entry.name);
    std::shared_ptr<const Directory> child;
    if (entry.type == Entry::Type::kDirectory) {
      ASSIGN_OR_RETURN_IN(child, store.Load(entry.directory->digest), path);
    }
    ASSIGN_OR_RETURN(const Visit action, visit(path, entry, child.get()));
    if (action == Visit::kStop) {
      return absl::OkStatus();
    }
    if (child != nullptr && action == Visit::kContinue) {
      if (levels.size() >= kMaxDepth) {
        return absl::ResourceExhaustedError("directories are nested too deeply");
      }
      levels.push_back({std::move(child), 0, path.size()});
    }
  }
  return absl::OkStatus();
}

}  // namespace cairn::tree
