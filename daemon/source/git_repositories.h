// GitRepositories: what was fetched from git remotes, kept from build to build.
//
// Each remote has a bare repository that only grows, in a directory with a ledger record: counted,
// and pruned when no build uses it. One build at a time uses a remote's. Everything in it can be
// fetched again. Names come from users and are never part of a path. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "cache/gc/ledger.h"
#include "cache/layer/keyed_lock.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/fs/temp_dir.h"

namespace cairn::source {

class GitRepositories {
 public:
  // One build's use of a remote's directory; the destructor ends it.
  class Use {
   public:
    Use(layer::KeyedLock::Guard guard, std::string directory, fs::TempDir scratch)
        : guard_(std::move(guard)),
          directory_(std::move(directory)),
          scratch_(std::move(scratch)) {}

    // Where the bare repository is, or is to be made.
    std::string repository() const { return directory_ + "/repository"; }
    // An empty directory, 0700, for as long as the use.
    const std::string& scratch() const { return scratch_.path(); }

   private:
    const layer::KeyedLock::Guard guard_;  // first: let go of last
    const std::string directory_;
    const fs::TempDir scratch_;
  };

  // `root` is the directory that holds them all, made if missing. The ledger outlives it.
  static StatusOr<std::unique_ptr<GitRepositories>> Open(const std::string& root,
                                                         gc::Ledger& ledger);

  // Waits until nobody else uses the directory of `name`. What a killed daemon or git left undone
  // in it is gone. The record stays in use as long as `lease` lives.
  StatusOr<std::unique_ptr<Use>> Acquire(const std::string& name, const std::string& description,
                                         gc::Lease& lease, const CancelToken& cancel);

  // An empty directory, 0700, for what needs no repository.
  StatusOr<fs::TempDir> NewScratch() const;

 private:
  GitRepositories(std::string root, gc::Ledger& ledger) : root_(std::move(root)), ledger_(ledger) {}

  const std::string root_;
  gc::Ledger& ledger_;
  layer::KeyedLock users_;
};

}  // namespace cairn::source
