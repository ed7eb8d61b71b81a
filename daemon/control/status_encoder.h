// Progress events -> StatusResponse messages (Control.Status, and the logs that histories keep).
#pragma once

#include <vector>

#include "daemon/solver/progress.h"
#include "proto/control.pb.h"

namespace cairn::control {

// Encodes one batch: vertices sorted by start (unstarted first), statuses and logs by time. Logs
// are spread over several messages so that none is much larger than 1 MiB.
std::vector<moby::buildkit::v1::StatusResponse> EncodeProgress(const solver::ProgressBatch& batch);

}  // namespace cairn::control
