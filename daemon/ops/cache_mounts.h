// CacheMounts: the directories behind RUN --mount=type=cache, kept from build to build.
//
// A directory is known by its id (and, when it starts with the content of an input, by that
// content). Each has a ledger record, so that it is counted and can be pruned when no step uses it.
// Ids come from users and are never part of a path. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cache/gc/ledger.h"
#include "cache/layer/chain.h"
#include "cache/snapshot/snapshotter.h"
#include "runtime/base/cancel.h"
#include "runtime/base/sync.h"

namespace cairn::ops {

enum class CacheSharing {
  kShared,   // any number of steps at once
  kPrivate,  // a directory of one's own: another one when it is in use
  kLocked,   // one step at a time; others wait
};

class CacheMounts {
 public:
  // One step's use of a directory; the destructor ends it.
  class Use {
   public:
    Use(CacheMounts& mounts, std::string name, std::string directory)
        : mounts_(mounts), name_(std::move(name)), directory_(std::move(directory)) {}
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    const std::string& directory() const { return directory_; }

   private:
    CacheMounts& mounts_;
    const std::string name_;
    const std::string directory_;
  };

  struct Request {
    std::string id;
    CacheSharing sharing = CacheSharing::kShared;
    std::optional<layer::Chain> initial;  // what a new directory starts with
    std::string description;              // of the ledger record
    bool empty_first = false;             // drop what earlier builds left
  };

  // `root` is the directory that holds them all, made if missing; the others outlive it.
  static StatusOr<std::unique_ptr<CacheMounts>> Open(const std::string& root, gc::Ledger& ledger,
                                                     snapshot::Snapshotter& snapshots);

  // Waits for a locked one. The record stays in use as long as `lease` lives.
  StatusOr<std::unique_ptr<Use>> Acquire(const Request& request, gc::Lease& lease,
                                         const CancelToken& cancel);

 private:
  struct Users {
    int count = 0;
    bool exclusive = false;
  };

  CacheMounts(std::string root, gc::Ledger& ledger, snapshot::Snapshotter& snapshots)
      : root_(std::move(root)), ledger_(ledger), snapshots_(snapshots) {}

  // Takes a place in users_; returns the name it is for.
  StatusOr<std::string> Enter(const std::string& name, CacheSharing sharing,
                              const CancelToken& cancel);
  void Leave(const std::string& name);
  Status Make(const std::string& directory, const Request& request, const CancelToken& cancel);

  const std::string root_;
  gc::Ledger& ledger_;
  snapshot::Snapshotter& snapshots_;

  Mutex mu_;
  CondVar changed_;
  std::map<std::string, Users> users_ ABSL_GUARDED_BY(mu_);

  // Held while a directory is made or emptied, so that two steps do not do it at once; the only
  // lock here that I/O happens under.
  Mutex making_;
};

}  // namespace cairn::ops
