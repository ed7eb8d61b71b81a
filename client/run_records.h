// The runs of this user that go on in the background on this machine (cairn run -d).
//
// One folder holds, for each, "<id>.json", which the run's process keeps locked while it lives, and
// "<id>.log" with the end of what its command has written. A run that was stopped leaves neither;
// one that ended by itself leaves both until it is removed. What a killed process left is cleared
// away by the next look. Usable by several processes at once.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "runtime/base/cancel.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::client {

struct DetachedRun {
  std::string id;
  pid_t pid = 0;
  std::string image;
  std::string command;
  std::string ports;  // "0.0.0.0:8080->80/tcp, ..."
  absl::Time started;
  std::optional<int> exit_code;  // none: it runs
};

// The record of this process's own run.
class RunRecord {
 public:
  RunRecord(std::string folder, std::string id, UniqueFd file);
  RunRecord(const RunRecord&) = delete;
  RunRecord& operator=(const RunRecord&) = delete;

  Status Save(const DetachedRun& run);
  // With the log.
  void Remove();

 private:
  const std::string folder_;
  const std::string id_;
  const UniqueFd file_;  // locked
};

class RunRecords {
 public:
  // Makes the folder: /run/cairn-runs for root, else below XDG_RUNTIME_DIR or /tmp.
  // kPermissionDenied: somebody else's is in the way.
  static StatusOr<RunRecords> Open();

  // A new, locked record.
  StatusOr<std::unique_ptr<RunRecord>> Make(const DetachedRun& run);

  // Oldest first.
  StatusOr<std::vector<DetachedRun>> List();
  // By its id or the beginning of it. kNotFound; kInvalidArgument when several match.
  StatusOr<DetachedRun> Find(const std::string& id);
  // Asks a run to end and waits for that; kills what does not end. Then nothing is left of it.
  Status Stop(const DetachedRun& run, const CancelToken& cancel);

  std::string LogPath(const std::string& id) const;

 private:
  explicit RunRecords(std::string folder) : folder_(std::move(folder)) {}
  std::string RecordPath(const std::string& id) const;
  void Remove(const std::string& id);

  std::string folder_;
};

}  // namespace cairn::client
