// The store with all its parts, opened in one directory: what the crash driver works on and what
// the crash test looks at afterwards.
#pragma once

#include <memory>
#include <string>

#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/gc/image_store.h"
#include "cache/gc/ledger.h"
#include "cache/steps/step_table.h"
#include "cache/tree/tree_store.h"
#include "runtime/base/clock.h"

namespace cairn::faults {

struct Store {
  std::unique_ptr<blob::Database> database;
  std::unique_ptr<blob::BlobStore> blobs;
  std::unique_ptr<tree::TreeStore> trees;
  std::unique_ptr<gc::Ledger> ledger;
  std::unique_ptr<steps::StepTable> steps;
  SystemClock clock;
  std::unique_ptr<gc::ImageStore> images;

  static StatusOr<std::unique_ptr<Store>> Open(const std::string& root) {
    auto store = std::make_unique<Store>();
    ASSIGN_OR_RETURN(store->database, blob::Database::Open(root + "/db"));
    ASSIGN_OR_RETURN(store->blobs, blob::BlobStore::Open(root + "/store", *store->database));
    store->trees = std::make_unique<tree::TreeStore>(*store->blobs);
    ASSIGN_OR_RETURN(store->ledger, gc::Ledger::Open(*store->database, *store->trees));
    store->steps = std::make_unique<steps::StepTable>(*store->database);
    steps::StepTable& steps = *store->steps;
    store->ledger->OnRemove("step:", [&steps](const std::string& identity) -> Status {
      ASSIGN_OR_RETURN(const Digest key, Digest::FromHex(string_view(identity).substr(5)));
      return steps.Evict(key, absl::UnixEpoch());
    });
    store->images = std::make_unique<gc::ImageStore>(*store->database, *store->blobs,
                                                     *store->ledger, store->clock);
    return store;
  }
};

}  // namespace cairn::faults
