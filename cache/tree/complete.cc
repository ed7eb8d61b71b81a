#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/tree/algebra.h"
#include "cache/tree/path.h"

namespace cairn::tree {
namespace {

// One pass over a delta. Implied directories that lie on links are taken out of it: what an archive
// says is below such a path belongs to where the link leads.
class Completion {
 public:
  struct Moved {
    std::string path;  // of the link
    TreeRef directory;
  };

  explicit Completion(TreeStore& store) : store_(store) {}

  StatusOr<TreeRef> Run(const TreeRef* below, const TreeRef& delta, const std::string& path,
                        int depth) {
    if (!delta.Has(TreeRef::kHasImplied)) {
      return delta;
    }
    if (depth > kMaxDepth) {
      return absl::ResourceExhaustedError("directories are nested too deeply");
    }
    ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> over, store_.Load(delta.digest));
    std::shared_ptr<const Directory> base;
    if (below != nullptr) {
      ASSIGN_OR_RETURN(base, store_.Load(below->digest));
    }
    Directory result;
    result.metadata = over->implied && base != nullptr ? base->metadata : over->metadata;
    result.opaque = over->opaque;
    result.touched = over->touched;
    const Directory* through = over->opaque ? nullptr : base.get();
    for (const Entry& entry : over->entries) {
      if (entry.type != Entry::Type::kDirectory) {
        result.entries.push_back(entry);
        continue;
      }
      const Entry* under = through == nullptr ? nullptr : through->Find(entry.name);
      const std::string entry_path = absl::StrCat(path, path.empty() ? "" : "/", entry.name);
      if (under != nullptr && under->type == Entry::Type::kSymlink) {
        ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> child,
                         store_.Load(entry.directory->digest));
        if (child->implied && !child->opaque) {
          moved_.push_back({entry_path, *entry.directory});
          continue;
        }
      }
      const bool merges = under != nullptr && under->type == Entry::Type::kDirectory;
      result.entries.push_back(entry);
      ASSIGN_OR_RETURN(
          result.entries.back().directory,
          Run(merges ? &*under->directory : nullptr, *entry.directory, entry_path, depth + 1));
    }
    return store_.Store(std::move(result));
  }

  const std::vector<Moved>& moved() const { return moved_; }

 private:
  TreeStore& store_;
  std::vector<Moved> moved_;
};

// A delta that has `directory` at `path` and implies what is on the way.
StatusOr<TreeRef> PlaceAt(TreeStore& store, const std::string& path, TreeRef directory) {
  const std::vector<std::string> components = SplitPath(path);
  for (auto name = components.rbegin(); name != components.rend(); ++name) {
    Entry entry;
    entry.name = *name;
    entry.type = Entry::Type::kDirectory;
    entry.directory = std::move(directory);
    Directory parent;
    parent.metadata = DefaultDirectoryMetadata();
    parent.implied = true;
    parent.entries.push_back(std::move(entry));
    ASSIGN_OR_RETURN(directory, store.Store(std::move(parent)));
  }
  return directory;
}

}  // namespace

StatusOr<TreeRef> Complete(TreeStore& store, const TreeRef& base, const TreeRef& delta) {
  ASSIGN_OR_RETURN(TreeRef current,
                   delta.encoded_size != 0 ? StatusOr<TreeRef>(delta) : store.RefOf(delta.digest));
  for (int round = 0; round <= kMaxLinks; ++round) {
    Completion completion(store);
    ASSIGN_OR_RETURN(current, completion.Run(&base, current, "", 0));
    if (completion.moved().empty()) {
      return current;
    }
    for (const Completion::Moved& moved : completion.moved()) {
      ASSIGN_OR_RETURN(const std::string target, ResolveIn(store, base, moved.path));
      ASSIGN_OR_RETURN(const TreeRef placed, PlaceAt(store, target, moved.directory));
      ASSIGN_OR_RETURN(current, Squash(store, current, placed));
    }
  }
  return TooManyLinksError();
}

}  // namespace cairn::tree
