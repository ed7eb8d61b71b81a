// Which release this is.
#pragma once

namespace cairn::server {

extern const char kVersion[];   // "v0.1.0"
extern const char kRevision[];  // of the source, or ""

}  // namespace cairn::server
