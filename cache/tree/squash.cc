#include <utility>

#include "cache/tree/algebra.h"

namespace cairn::tree {
namespace {

class Squashing {
 public:
  explicit Squashing(TreeStore& store) : store_(store) {}

  // `upper` lies on `lower`, both directories of deltas.
  StatusOr<TreeRef> Run(const TreeRef& lower, const TreeRef& upper, int depth) {
    if (depth > kMaxDepth) {
      return absl::ResourceExhaustedError("directories are nested too deeply");
    }
    ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> over, store_.Load(upper.digest));
    if (over->opaque) {
      return upper;
    }
    ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> under, store_.Load(lower.digest));
    Directory result;
    result.metadata = over->implied ? under->metadata : over->metadata;
    result.implied = over->implied && under->implied;
    result.touched = over->touched && under->touched;
    result.opaque = under->opaque;
    auto next = under->entries.begin();
    for (const Entry& entry : over->entries) {
      for (; next != under->entries.end() && next->name < entry.name; ++next) {
        result.entries.push_back(*next);
      }
      const Entry* replaced = nullptr;
      if (next != under->entries.end() && next->name == entry.name) {
        replaced = &*next++;
      }
      result.entries.push_back(entry);
      if (replaced != nullptr && entry.type == Entry::Type::kDirectory) {
        ASSIGN_OR_RETURN(result.entries.back().directory,
                         PutOn(*replaced, *entry.directory, depth + 1));
      }
    }
    result.entries.insert(result.entries.end(), next, under->entries.end());
    return store_.Store(std::move(result));
  }

 private:
  StatusOr<TreeRef> PutOn(const Entry& replaced, const TreeRef& upper, int depth) {
    if (replaced.type == Entry::Type::kDirectory) {
      return Run(*replaced.directory, upper, depth);
    }
    // What the lower delta put or removed here hides everything further below.
    ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> over, store_.Load(upper.digest));
    Directory alone = *over;
    alone.opaque = true;
    return store_.Store(std::move(alone));
  }

  TreeStore& store_;
};

}  // namespace

StatusOr<TreeRef> Squash(TreeStore& store, const TreeRef& lower, const TreeRef& upper) {
  return Squashing(store).Run(lower, upper, 0);
}

}  // namespace cairn::tree
