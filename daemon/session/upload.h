// What a client reads from its standard input for the build (moby.upload.v1.Upload).
#pragma once

#include <functional>
#include <string>

#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::session {

// Pulls the upload that the client names with the URL http://`host``path` and gives it to `write`
// piece by piece; an error of `write` ends the transfer and is returned.
Status PullUpload(const Session& session, string_view host, string_view path,
                  const std::function<Status(string_view data)>& write, const CancelToken& cancel);

}  // namespace cairn::session
