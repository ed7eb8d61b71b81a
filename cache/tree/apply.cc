#include <optional>
#include <utility>

#include "cache/tree/algebra.h"

namespace cairn::tree {
namespace {

Status TooDeepError() { return absl::ResourceExhaustedError("directories are nested too deeply"); }

bool IsDirectory(const Entry& entry) { return entry.type == Entry::Type::kDirectory; }

class Application {
 public:
  Application(TreeStore& store, Changes* changes) : store_(store), changes_(changes) {}

  // `below` is null when the delta's directory lies on nothing.
  StatusOr<TreeRef> Run(const TreeRef* below, const TreeRef& delta, int depth) {
    if (depth > kMaxDepth) {
      return TooDeepError();
    }
    const bool plain = !delta.Has(TreeRef::kHasWhiteouts) && !delta.Has(TreeRef::kHasImplied) &&
                       !delta.Has(TreeRef::kHasTouched);
    if (plain && (below == nullptr || *below == delta)) {
      return delta;
    }
    ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> over, store_.Load(delta.digest));
    std::shared_ptr<const Directory> base;
    if (below != nullptr) {
      ASSIGN_OR_RETURN(base, store_.Load(below->digest));
    }
    Directory result;
    result.metadata = over->implied && base != nullptr ? base->metadata : over->metadata;
    const Directory* through = over->opaque ? nullptr : base.get();
    RETURN_IF_ERROR(Merge(through, *over, depth, result.entries));
    ASSIGN_OR_RETURN(TreeRef stored, store_.Store(std::move(result)));
    if (changes_ != nullptr) {
      changes_->made.push_back(stored.digest);
      if (below != nullptr) {
        changes_->replaced.insert(below->digest);
      }
    }
    return stored;
  }

 private:
  Status Merge(const Directory* base, const Directory& changes, int depth,
               std::vector<Entry>& result) {
    const size_t base_size = base == nullptr ? 0 : base->entries.size();
    result.reserve(base_size + changes.entries.size());
    size_t next = 0;
    for (const Entry& change : changes.entries) {
      while (next < base_size && base->entries[next].name < change.name) {
        result.push_back(base->entries[next++]);
      }
      const Entry* replaced = nullptr;
      if (next < base_size && base->entries[next].name == change.name) {
        replaced = &base->entries[next++];
      }
      if (change.type == Entry::Type::kWhiteout) {
        continue;
      }
      const TreeRef* below = replaced != nullptr && IsDirectory(*replaced) && IsDirectory(change)
                                 ? &*replaced->directory
                                 : nullptr;
      if (IsDirectory(change) && below == nullptr) {
        ASSIGN_OR_RETURN(const bool nothing, SaysNothing(*change.directory, depth + 1));
        if (nothing) {
          if (replaced != nullptr) {
            result.push_back(*replaced);
          }
          continue;
        }
      }
      result.push_back(change);
      if (IsDirectory(change)) {
        ASSIGN_OR_RETURN(result.back().directory, Run(below, *change.directory, depth + 1));
      }
    }
    for (; next < base_size; ++next) {
      result.push_back(base->entries[next]);
    }
    return absl::OkStatus();
  }

  // Of a directory that was only passed through, or whose times alone changed, a layer's tar has
  // no entry either: where it does not exist, it is not made.
  StatusOr<bool> SaysNothing(const TreeRef& delta, int depth) {
    if (!delta.Has(TreeRef::kHasTouched)) {
      return false;
    }
    if (depth > kMaxDepth) {
      return TooDeepError();
    }
    ASSIGN_OR_RETURN(const std::shared_ptr<const Directory> directory, store_.Load(delta.digest));
    if (!directory->touched || directory->opaque) {
      return false;
    }
    for (const Entry& entry : directory->entries) {
      if (!IsDirectory(entry)) {
        return false;
      }
      ASSIGN_OR_RETURN(const bool nothing, SaysNothing(*entry.directory, depth + 1));
      if (!nothing) {
        return false;
      }
    }
    return true;
  }

  TreeStore& store_;
  Changes* const changes_;
};

// `ref` with its traits known.
StatusOr<TreeRef> Known(TreeStore& store, const TreeRef& ref) {
  return ref.encoded_size != 0 ? StatusOr<TreeRef>(ref) : store.RefOf(ref.digest);
}

}  // namespace

StatusOr<TreeRef> Apply(TreeStore& store, const TreeRef& base, const TreeRef& delta,
                        Changes* changes) {
  ASSIGN_OR_RETURN(const TreeRef known, Known(store, delta));
  return Application(store, changes).Run(&base, known, 0);
}

}  // namespace cairn::tree
