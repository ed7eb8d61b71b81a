// Receiving a directory from Cairn's own client (proto/context_sync.proto): what file_sync.h says,
// with digests.
#pragma once

#include "daemon/session/file_sync.h"

namespace cairn::session {

// Whether the client serves it.
bool ServesContextSync(const Session& session);

// ReceiveFiles over ContextSync. The client's digest of a file is its statement about its own file,
// no more: it stands for bytes that the sink has already, and nothing is ever stored under it.
StatusOr<FileSyncResult> ReceiveContext(const Session& session, const FileSyncRequest& request,
                                        FileSyncSink& sink, const CancelToken& cancel);

}  // namespace cairn::session
