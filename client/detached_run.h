// `cairn run -d`: the command line that was given, run once more by a process in the background.
//
// Two sides in one program. The foreground (Detach) starts the same command line in a session of
// its own and waits for its word; the background (DetachedRunId says so) runs the container, keeps
// the record of it and tells.
#pragma once

#include <optional>
#include <string>

#include "client/container_run.h"
#include "client/run_records.h"

namespace cairn::client {

// Starts the background process and waits until its command runs: the run's id, or why it does not
// run.
StatusOr<std::string> Detach(const CancelToken& cancel);

// The id that Detach gave to this process; none when it is the foreground.
std::optional<std::string> DetachedRunId();

// Runs it as the background process `id`. A run that ends by itself stays listed unless `remove`.
StatusOr<int> RunDetached(Connection& connection, const RunRequest& request, const std::string& id,
                          bool remove, const std::function<std::string()>& stop_signal,
                          const CancelToken& cancel);

}  // namespace cairn::client
