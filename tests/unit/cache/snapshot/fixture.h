// A snapshotter on a real file system, overlay mounts, and what a directory shows as text lines.
#pragma once

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cache/layer/chain_store.h"
#include "cache/snapshot/snapshotter.h"
#include "runtime/base/fd.h"
#include "runtime/fs/tree_walk.h"
#include "tests/unit/cache/stores.h"

namespace cairn::testing {

inline std::string DescribeMetadata(const fs::Metadata& metadata) {
  std::string text = absl::StrCat(absl::Hex(metadata.mode), " ", metadata.uid, ":", metadata.gid,
                                  " @", metadata.mtime_ns);
  for (const auto& xattr : metadata.xattrs) {
    absl::StrAppend(&text, " ", xattr.first, "=", xattr.second);
  }
  return text;
}

// Everything in the directory `path`, one line per entry, the root first.
inline std::vector<std::string> DescribeDirectory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<std::string> lines;
  lines.push_back(absl::StrCat("/ ", DescribeMetadata(*fs::ReadMetadata(fd.get(), ""))));
  EXPECT_OK(fs::WalkTree(fd.get(), {}, [&](const fs::WalkEntry& entry) -> StatusOr<fs::WalkAction> {
    std::string what;
    if (entry.kind == fs::Kind::kDirectory) {
      what = "directory";
    } else if (entry.kind == fs::Kind::kSymlink) {
      what = "->" + entry.link_target;
    } else if (entry.kind == fs::Kind::kFile) {
      what = *ReadFile(path + "/" + entry.path);
      what = Digest::Of(what).hex().substr(0, 12);
    } else {
      what = absl::StrCat("node ", absl::Hex(fs::TypeBits(entry.kind)), " ", entry.status.st_rdev);
    }
    lines.push_back(absl::StrCat(entry.path, " ", what, " ", DescribeMetadata(entry.metadata())));
    return fs::WalkAction::kContinue;
  }));
  return lines;
}

// The same of a tree.
inline std::vector<std::string> DescribeTree(Stores& stores, const tree::TreeRef& tree) {
  std::vector<std::string> lines;
  lines.push_back(
      absl::StrCat("/ ", DescribeMetadata((*stores.trees().Load(tree.digest))->metadata)));
  EXPECT_OK(
      tree::Walk(stores.trees(), tree,
                 [&](const std::string& path, const tree::Entry& entry,
                     const tree::Directory* directory) -> StatusOr<tree::Visit> {
                   std::string what;
                   fs::Metadata metadata = entry.metadata;
                   switch (entry.type) {
                     case tree::Entry::Type::kDirectory:
                       what = directory->opaque ? "opaque" : "directory";
                       metadata = directory->metadata;
                       break;
                     case tree::Entry::Type::kSymlink:
                       what = "->" + entry.target;
                       break;
                     case tree::Entry::Type::kFile:
                       what = Digest::Of(*stores.blobs().Read(*entry.file)).hex().substr(0, 12);
                       break;
                     case tree::Entry::Type::kFifo:
                       what = absl::StrCat("node ", absl::Hex(S_IFIFO), " 0");
                       break;
                     case tree::Entry::Type::kCharDevice:
                       what = absl::StrCat("node ", absl::Hex(S_IFCHR), " ", entry.device);
                       break;
                     case tree::Entry::Type::kBlockDevice:
                       what = absl::StrCat("node ", absl::Hex(S_IFBLK), " ", entry.device);
                       break;
                     case tree::Entry::Type::kWhiteout:
                       what = "whiteout";
                       break;
                   }
                   lines.push_back(absl::StrCat(path, " ", what, " ", DescribeMetadata(metadata)));
                   return tree::Visit::kContinue;
                 }));
  return lines;
}

// An overlay mount. With no upper it is read-only.
class OverlayMount {
 public:
  OverlayMount(const std::vector<std::string>& lowers, const snapshot::Writable* writable) {
    const int context = ::fsopen("overlay", FSOPEN_CLOEXEC);
    bool ok = context >= 0;
    const auto set = [&](const char* key, const std::string& value) {
      ok = ok && ::fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
    };
    for (const std::string& lower : lowers) {
      set("lowerdir+", lower);
    }
    if (writable != nullptr) {
      set("upperdir", writable->upper_directory());
      set("workdir", writable->work_directory());
    } else {
      set("lowerdir+", extra_.path());  // one lower directory alone is refused
    }
    set("redirect_dir", "nofollow");
    set("metacopy", "off");
    set("index", "off");
    ok = ok && ::fsconfig(context, FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0;
    const int mount = ok ? ::fsmount(context, FSMOUNT_CLOEXEC, 0) : -1;
    mounted_ = mount >= 0 && ::move_mount(mount, "", AT_FDCWD, point_.path().c_str(),
                                          MOVE_MOUNT_F_EMPTY_PATH) == 0;
    EXPECT_TRUE(mounted_) << strerror(errno);
    ::close(mount);
    ::close(context);
  }
  ~OverlayMount() {
    if (mounted_) {
      ::umount2(point_.path().c_str(), MNT_DETACH);
    }
  }
  const std::string& path() const { return point_.path(); }

 private:
  TempDir point_;
  TempDir extra_;
  bool mounted_ = false;
};

class SnapshotterFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "overlay mounts need root";
    }
    Open();
  }

  void Open() {
    snapshots_.reset();
    snapshots_ = *snapshot::Snapshotter::Open(root(), chains_);
  }

  std::string root() { return stores_.directory() / "snapshotter"; }

  layer::Chain ChainOf(const std::vector<std::string>& lines) {
    return *chains_.Single(MakeTree(stores_, lines));
  }

  // Runs `shell` in the mounted `base` and commits what it wrote; the result must be what the mount
  // showed.
  layer::Chain Run(const layer::Chain& base, const std::string& shell) {
    return Run(base, [&](const std::string& path) {
      EXPECT_EQ(::system(absl::StrCat("cd ", path, " && { ", shell, "\n}").c_str()), 0);
    });
  }
  layer::Chain Run(const layer::Chain& base,
                   const std::function<void(const std::string& path)>& write) {
    auto below = snapshots_->Mount(base, {});
    EXPECT_OK(below);
    auto writable = snapshots_->NewWritable(base);
    EXPECT_OK(writable);
    std::vector<std::string> shown;
    {
      const OverlayMount mount((*below)->lower_directories(), writable->get());
      write(mount.path());
      shown = DescribeDirectory(mount.path());
    }
    auto chain = snapshots_->Commit(*std::move(writable), base, {});
    EXPECT_OK(chain);
    EXPECT_EQ(DescribeTree(stores_, *chains_.TreeOf(*chain)), shown);
    return *chain;
  }

  // What a read-only mount of `chain` shows.
  std::vector<std::string> Show(const layer::Chain& chain) {
    auto mountable = snapshots_->Mount(chain, {});
    EXPECT_OK(mountable);
    const OverlayMount mount((*mountable)->lower_directories(), nullptr);
    return DescribeDirectory(mount.path());
  }

  std::vector<std::string> DeltaLines(const layer::Chain& chain) {
    return LinesOf(stores_, chain.layers.back().delta);
  }

  void ExpectShowsItsTree(const layer::Chain& chain) {
    EXPECT_EQ(Show(chain), DescribeTree(stores_, *chains_.TreeOf(chain)));
  }

  // How many snapshots are on disk.
  size_t Count() { return CountIn("lower"); }
  // How many directories there are besides, after all is done. Nothing of the snapshotter is held.
  size_t CountLeftovers() {
    snapshots_.reset();
    const size_t count = CountIn("upper") + CountIn("work") + CountIn("tmp");
    Open();
    return count;
  }

  size_t CountIn(const std::string& directory) {
    const auto path = std::filesystem::path(root()) / directory;
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
  }

  Stores stores_;
  layer::ChainStore chains_{stores_.trees(), stores_.database()};
  std::unique_ptr<snapshot::Snapshotter> snapshots_;
};

}  // namespace cairn::testing
