#include "cache/snapshot/snapshotter.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "cache/snapshot/settle.h"
#include "cache/snapshot/snapshot_table.h"
#include "cache/snapshot/tree_writer.h"
#include "cache/snapshot/upper_reader.h"
#include "runtime/base/fault_point.h"
#include "runtime/base/fd.h"
#include "runtime/base/sync.h"
#include "runtime/fs/metadata.h"

namespace cairn::snapshot {
namespace {

// A mount has at most this many lower directories (overlayfs allows 500); the bottom of a longer
// chain is one directory, of a number of layers that stays the same while the chain grows.
constexpr size_t kMaxLowers = 100;
constexpr size_t kFlattenStep = 64;

size_t FlattenedLayers(size_t layers) {
  if (layers <= kMaxLowers) {
    return 0;
  }
  return (layers - (kMaxLowers - kFlattenStep)) / kFlattenStep * kFlattenStep;
}

class HeldMountable final : public Mountable {
 public:
  void Add(std::unique_ptr<SnapshotTable::Held> held) {
    paths_.push_back(held->path());
    held_.push_back(std::move(held));
  }
  const std::vector<std::string>& lower_directories() const override { return paths_; }

 private:
  std::vector<std::string> paths_;
  std::vector<std::unique_ptr<SnapshotTable::Held>> held_;
};

class WorkspaceWritable final : public Writable {
 public:
  explicit WorkspaceWritable(std::unique_ptr<SnapshotTable::Workspace> workspace)
      : workspace_(std::move(workspace)) {}
  const std::string& upper_directory() const override { return workspace_->upper_directory(); }
  const std::string& work_directory() const override { return workspace_->work_directory(); }
  SnapshotTable::Workspace& workspace() { return *workspace_; }

 private:
  const std::unique_ptr<SnapshotTable::Workspace> workspace_;
};

// Names lists of deltas.
Digest PlaceOn(const Digest& below, const tree::TreeRef& delta) {
  return Digest::Of(absl::StrCat(below.raw(), delta.digest.raw()));
}
Digest PlaceOf(const layer::Chain& chain) {
  Digest place = Digest::Of("");
  for (const layer::Layer& layer : chain.layers) {
    place = PlaceOn(place, layer.delta);
  }
  return place;
}

// Some of the places last inserted.
class PlaceSet {
 public:
  bool Contains(const Digest& place) {
    MutexLock lock(mu_);
    return places_.contains(place);
  }
  void Insert(const Digest& place) {
    MutexLock lock(mu_);
    if (places_.size() >= kMaxPlaces) {
      places_.clear();
    }
    places_.insert(place);
  }

 private:
  static constexpr size_t kMaxPlaces = 16384;
  Mutex mu_;
  absl::flat_hash_set<Digest> places_ ABSL_GUARDED_BY(mu_);
};

// One lower directory: a delta, or all layers up to and with `layer` as one tree.
struct Part {
  Digest tree;
  size_t layer;  // in the chain
  fs::Metadata root;
};

class OverlaySnapshotter final : public Snapshotter {
 public:
  OverlaySnapshotter(layer::ChainStore& chains, std::shared_ptr<SnapshotTable> table)
      : chains_(chains), trees_(chains.trees()), table_(std::move(table)) {}

  StatusOr<std::unique_ptr<Mountable>> Mount(const layer::Chain& chain,
                                             const CancelToken& cancel) override {
    const std::unique_ptr<blob::Hold> hold = trees_.blobs().NewHold();
    ASSIGN_OR_RETURN(const std::vector<Part> parts, PartsOf(chain));
    auto mountable = std::make_unique<HeldMountable>();
    std::set<Digest> stacked;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
      // overlayfs takes no directory twice (ELOOP). A merge can bring a layer again: the upper one
      // decides all that the lower one would.
      if (!stacked.insert(part->tree).second) {
        continue;
      }
      ASSIGN_OR_RETURN_IN(std::unique_ptr<SnapshotTable::Held> held,
                          table_->Acquire(part->tree, cancel,
                                          [&](int directory_fd) {
                                            return WriteTree(trees_, part->tree, directory_fd,
                                                             {.cancel = cancel});
                                          }),
                          absl::StrCat("prepare layer ", part->layer + 1));
      mountable->Add(std::move(held));
    }
    return mountable;
  }

  StatusOr<std::unique_ptr<Writable>> NewWritable(const layer::Chain& root_of) override {
    const std::unique_ptr<blob::Hold> hold = trees_.blobs().NewHold();
    ASSIGN_OR_RETURN(const tree::TreeRef tree, chains_.TreeOf(root_of));
    ASSIGN_OR_RETURN(const auto root, trees_.Load(tree.digest));
    ASSIGN_OR_RETURN(std::unique_ptr<SnapshotTable::Workspace> workspace, table_->NewWorkspace());
    RETURN_IF_ERROR(
        fs::ApplyMetadata(workspace->upper_fd(), "", fs::Kind::kDirectory, root->metadata));
    return std::make_unique<WorkspaceWritable>(std::move(workspace));
  }

  StatusOr<layer::Chain> Commit(std::unique_ptr<Writable> writable, const layer::Chain& base,
                                const CancelToken& cancel) override {
    SnapshotTable::Workspace& workspace = static_cast<WorkspaceWritable&>(*writable).workspace();
    const std::unique_ptr<blob::Hold> hold = trees_.blobs().NewHold();
    ASSIGN_OR_RETURN(const tree::TreeRef below, chains_.TreeOf(base));
    ASSIGN_OR_RETURN(const tree::TreeRef delta,
                     ReadUpper(trees_, workspace.upper_fd(), below, cancel));
    CAIRN_FAULT_POINT("snapshot.commit.append");
    ASSIGN_OR_RETURN(layer::Chain chain, chains_.Append(base, layer::Layer{delta, std::nullopt}));
    if (MayNeedSettling(delta)) {
      settled_.Insert(PlaceOf(chain));  // overlayfs makes no needless whiteouts
    }
    if (delta.entries > 0) {
      RETURN_IF_ERROR(table_->Keep(workspace, delta.digest));
    }
    return chain;
  }

  Status Export(const layer::Chain& chain, const std::string& path,
                const CancelToken& cancel) override {
    const std::unique_ptr<blob::Hold> hold = trees_.blobs().NewHold();
    ASSIGN_OR_RETURN(const tree::TreeRef tree, chains_.TreeOf(chain));
    std::error_code error;
    std::filesystem::create_directories(path, error);
    const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) {
      return ErrnoStatus(errno, absl::StrCat("open directory ", path));
    }
    return WriteTree(trees_, tree.digest, directory.get(),
                     {.use = WriteOptions::Use::kExport, .cancel = cancel});
  }

  StatusOr<uint64_t> UnusedBytes() override { return table_->UnusedBytes(); }
  StatusOr<uint64_t> RemoveUnused(uint64_t bytes_wanted) override {
    return table_->RemoveUnused(bytes_wanted);
  }

 private:
  // The chain of the first `count` layers of `chain`; its content is not set.
  static layer::Chain Prefix(const layer::Chain& chain, size_t count) {
    layer::Chain prefix = {{}, chain.content};
    prefix.layers.assign(chain.layers.begin(), chain.layers.begin() + count);
    return prefix;
  }

  // What `chain` is mounted from, bottom first; never nothing.
  StatusOr<std::vector<Part>> PartsOf(const layer::Chain& chain) {
    std::vector<Part> parts;
    std::optional<Part> top;  // the last layer, when it only says what the root is like
    Digest place = Digest::Of("");
    for (size_t i = 0; i < chain.layers.size(); ++i) {
      place = PlaceOn(place, chain.layers[i].delta);
      ASSIGN_OR_RETURN_IN(const tree::TreeRef delta, SettledLayer(chain, i, place),
                          absl::StrCat("read layer ", i + 1));
      ASSIGN_OR_RETURN_IN(const auto root, trees_.Load(delta.digest),
                          absl::StrCat("read layer ", i + 1));
      if (root->opaque) {
        parts.clear();  // overlayfs merges roots, whatever they are marked with
      }
      top.reset();
      if (root->entries.empty()) {
        top = Part{delta.digest, i, root->metadata};
      } else {
        parts.push_back({delta.digest, i, root->metadata});
      }
    }
    if (top && (parts.empty() || parts.back().root != top->root)) {
      parts.push_back(*std::move(top));
    }
    if (parts.empty()) {
      ASSIGN_OR_RETURN(const tree::TreeRef empty, trees_.Empty());
      parts.push_back({empty.digest, 0, {}});
    }
    const size_t flattened = FlattenedLayers(parts.size());
    if (flattened > 0) {
      Part& last = parts[flattened - 1];
      ASSIGN_OR_RETURN(const tree::TreeRef tree, chains_.TreeOf(Prefix(chain, last.layer + 1)));
      last.tree = tree.digest;
      parts.erase(parts.begin(), parts.begin() + (flattened - 1));
    }
    return parts;
  }

  // The delta of layer `index` as it has to be for its place. `place` names the layers up to and
  // with this one.
  StatusOr<tree::TreeRef> SettledLayer(const layer::Chain& chain, size_t index,
                                       const Digest& place) {
    tree::TreeRef delta = chain.layers[index].delta;
    if (delta.encoded_size == 0) {
      ASSIGN_OR_RETURN(delta, trees_.RefOf(delta.digest));
    }
    if (!MayNeedSettling(delta) || settled_.Contains(place)) {
      return delta;
    }
    ASSIGN_OR_RETURN(const tree::TreeRef below, chains_.TreeOf(Prefix(chain, index)));
    ASSIGN_OR_RETURN(const tree::TreeRef settled, Settle(trees_, below, delta));
    if (settled == delta) {
      settled_.Insert(place);
    }
    return settled;
  }

  layer::ChainStore& chains_;
  tree::TreeStore& trees_;
  const std::shared_ptr<SnapshotTable> table_;
  PlaceSet settled_;  // places of deltas that Settle leaves as they are
};

}  // namespace

StatusOr<std::unique_ptr<Snapshotter>> Snapshotter::Open(const std::string& root,
                                                         layer::ChainStore& chains) {
  // After a power loss files that were linked or copied out of the store may be damaged.
  const bool discard = chains.trees().blobs().recovered();
  ASSIGN_OR_RETURN(std::shared_ptr<SnapshotTable> table, SnapshotTable::Open(root, discard));
  return std::make_unique<OverlaySnapshotter>(chains, std::move(table));
}

}  // namespace cairn::snapshot
