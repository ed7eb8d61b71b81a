// The directories that records own, apart from blobs: how large they are, and how they go.
//
// A directory is removed in two steps, so that a crash leaves neither half a directory under its
// name nor a forgotten one: the batch that removes the record writes "doomed/<path>" into kMeta;
// then the directory is renamed to "<path>.doomed-<number>" and emptied at leisure.
#pragma once

#include <functional>
#include <string>

#include "cache/blob/database.h"
#include "cache/gc/record_codec.h"

namespace cairn::gc {

// Bytes of disk that `path` and all below it occupy, hard links counted once; 0 when it is absent.
StatusOr<uint64_t> MeasureDirectory(const std::string& path);

// Adds to `batch` that `path` of the record `number` is to go.
void DoomDirectory(const std::string& path, RecordNumber number, blob::WriteBatch& batch);

// Renames a directory whose doom is committed, so that its name is free. Absent is OK.
Status MoveDoomedDirectory(const std::string& path, RecordNumber number);

// Empties and removes a doomed directory and forgets it. Absent is OK.
Status RemoveDoomedDirectory(blob::Database& database, const std::string& path,
                             RecordNumber number);

// At start: goes on with what a crash interrupted. Nobody uses the directories yet; `is_owned` says
// whether a record that exists names the path.
Status RemoveDoomedDirectories(blob::Database& database,
                               const std::function<StatusOr<bool>(const std::string&)>& is_owned);

}  // namespace cairn::gc
