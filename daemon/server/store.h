// The state directory, opened: everything that outlives the daemon, in the order of its building.
#pragma once

#include <memory>
#include <string>

#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/gc/collector.h"
#include "cache/gc/image_store.h"
#include "cache/gc/ledger.h"
#include "cache/layer/chain_store.h"
#include "cache/layer/exporter.h"
#include "cache/snapshot/snapshotter.h"
#include "cache/steps/step_table.h"
#include "cache/tree/tree_store.h"
#include "daemon/ops/cache_mounts.h"
#include "daemon/source/git_repositories.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/status.h"
#include "runtime/fs/file_lock.h"

namespace cairn::server {

// Thread-safe, as its parts are. Members are destroyed in the opposite order.
struct Store {
  // Opens or makes the state below `root`, held by a lock file: kFailedPrecondition when another
  // daemon has it. A damaged database is set aside, with an error in the log, and the store starts
  // empty: a cache is never an input to success. `clock` outlives the store.
  static StatusOr<std::unique_ptr<Store>> Open(const std::string& root, const Clock& clock,
                                               Logger& log);

  std::shared_ptr<fs::FileLock> lock;
  std::string root;
  std::unique_ptr<blob::Database> database;
  std::unique_ptr<blob::BlobStore> blobs;
  std::unique_ptr<tree::TreeStore> trees;
  std::unique_ptr<layer::ChainStore> chains;
  std::unique_ptr<gc::Ledger> ledger;
  std::unique_ptr<gc::Collector> collector;
  std::unique_ptr<gc::ImageStore> images;
  std::unique_ptr<steps::StepTable> steps;
  std::unique_ptr<snapshot::Snapshotter> snapshots;
  std::unique_ptr<ops::CacheMounts> cache_mounts;
  std::unique_ptr<source::GitRepositories> repositories;
  std::unique_ptr<layer::LayerExporter> layers;
};

}  // namespace cairn::server
