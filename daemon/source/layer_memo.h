// What a layer's blob was imported as: blob digest -> delta and diff ID, in the table kMemo.
//
// Derived data: an entry whose delta is gone is no entry. Thread-safe as the database is.
#pragma once

#include <optional>

#include "cache/blob/database.h"
#include "cache/layer/importer.h"
#include "cache/tree/tree_store.h"

namespace cairn::source {

StatusOr<std::optional<layer::ImportedTar>> FindImportedLayer(blob::Database& database,
                                                              tree::TreeStore& trees,
                                                              const Digest& blob);

Status RememberImportedLayer(blob::Database& database, const Digest& blob,
                             const layer::ImportedTar& imported);

}  // namespace cairn::source
