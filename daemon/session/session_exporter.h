// Exporters that the client adds once it knows the result (moby.exporter.v1.Exporter).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::session {

struct AddedExporter {
  std::string type;
  std::map<std::string, std::string> attrs;
};

// Asks which exporters to add to a build with this result `metadata` and these result names
// (`refs`, one a platform). None when the client has no say in it.
StatusOr<std::vector<AddedExporter>> FindExporters(
    const Session& session, const std::map<std::string, std::string>& metadata,
    const std::vector<std::string>& refs, const CancelToken& cancel);

// Tells the client that the exports are complete. Does nothing when it does not listen.
Status FinalizeExport(const Session& session, const std::map<std::string, std::string>& response,
                      const CancelToken& cancel);

}  // namespace cairn::session
