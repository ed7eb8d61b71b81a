// SnapshotTable: the directories on disk. The only place that builds their paths:
//
//   <root>/lower/<hex of a tree>   a snapshot, complete: it came here by rename
//   <root>/upper/<number>          a step's upper directory
//   <root>/work/<number>           and overlay's work directory for it
//   <root>/tmp/<number>            being made or being removed
//
// What a crash leaves outside lower/ is removed at the next start. Nothing here is synced: a
// snapshot is derived data, and after a power loss all of them are made again. Each inode that is
// made or removed costs a step time (ext4 goes around inodes that were freed in the last seconds),
// so there are no directories around directories, and what a step leaves is removed by a thread.
//
// Thread-safe. Two callers that need one snapshot share the work.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/base/cancel.h"
#include "runtime/base/digest.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::snapshot {

class SnapshotTable : public std::enable_shared_from_this<SnapshotTable> {
 public:
  // Makes `root` if missing, readable by this user alone (snapshots hold setuid files). With
  // `discard` the snapshots of earlier runs are removed too.
  static StatusOr<std::shared_ptr<SnapshotTable>> Open(const std::string& root, bool discard);

  // Keeps one snapshot in place. RAII.
  class Held {
   public:
    Held(std::shared_ptr<SnapshotTable> table, const Digest& digest)
        : table_(std::move(table)), digest_(digest) {}
    ~Held() { table_->Release(digest_); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    // The directory, absolute.
    std::string path() const { return table_->PathOf(digest_); }

   private:
    const std::shared_ptr<SnapshotTable> table_;
    const Digest digest_;
  };

  // The snapshot `digest`, held. When there is none `make` fills an empty directory; while one
  // caller does, others wait for it.
  StatusOr<std::unique_ptr<Held>> Acquire(const Digest& digest, const CancelToken& cancel,
                                          const std::function<Status(int directory_fd)>& make);

  // An upper directory and overlay's work directory. Removed on destruction, but for an upper that
  // was kept.
  class Workspace {
   public:
    Workspace(std::shared_ptr<SnapshotTable> table, std::string name, UniqueFd upper);
    ~Workspace();
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    const std::string& upper_directory() const { return upper_directory_; }
    const std::string& work_directory() const { return work_directory_; }
    int upper_fd() const { return upper_.get(); }

   private:
    friend class SnapshotTable;
    const std::shared_ptr<SnapshotTable> table_;
    const std::string name_;
    bool kept_ = false;
    const std::string upper_directory_;
    const std::string work_directory_;
    const UniqueFd upper_;
  };
  StatusOr<std::unique_ptr<Workspace>> NewWorkspace();

  // Makes the upper directory of `workspace` the snapshot `digest`; when there is one already,
  // nothing happens.
  Status Keep(Workspace& workspace, const Digest& digest);

  // The bytes on disk that are in snapshots which nobody holds and nowhere else.
  StatusOr<uint64_t> UnusedBytes();
  // Removes snapshots that nobody holds, those used longest ago first, until `wanted` bytes are
  // free; returns how many were.
  StatusOr<uint64_t> RemoveUnused(uint64_t wanted);

 private:
  struct Snapshot {
    enum class State { kMaking, kReady, kRemoving } state = State::kMaking;
    int holds = 0;
    int64_t last_use = 0;
    std::optional<uint64_t> bytes;  // as measured last
  };

  explicit SnapshotTable(std::string root) : root_(std::move(root)) {}
  Status OpenDirectories(bool discard);
  Status LoadSnapshots();
  std::string PathOf(const Digest& digest) const;
  std::string NextName();
  // The held snapshot; null when the caller is the one to make it.
  StatusOr<std::unique_ptr<Held>> FindOrClaim(const Digest& digest, const CancelToken& cancel);
  Status Make(const Digest& digest, const std::function<Status(int directory_fd)>& make);
  // Ends kMaking: the snapshot is there, with `holds`, or is not.
  void Settle(const Digest& digest, bool made, int holds);
  void Release(const Digest& digest);
  std::vector<std::pair<int64_t, Digest>> Unused();
  StatusOr<uint64_t> Measure(const Digest& digest);
  void RemoveSoon(int directory_fd, const std::string& name);

  const std::string root_;  // absolute
  UniqueFd lower_;
  UniqueFd upper_;
  UniqueFd work_;
  UniqueFd tmp_;
  std::atomic<uint64_t> next_name_ = 0;

  Mutex mu_;
  CondVar changed_;
  int64_t clock_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<Digest, Snapshot> known_ ABSL_GUARDED_BY(mu_);

  ThreadPool remover_{"snapshots", 1};  // last: its tasks use the rest
};

}  // namespace cairn::snapshot
