// A client's build secrets (moby.buildkit.secrets.v1.Secrets).
#pragma once

#include <string>

#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::session {

constexpr size_t kMaxSecretBytes = 500 << 10;

// Returns the secret `id`. kNotFound when the client has none of that name or offers no secrets at
// all; kInvalidArgument when it is larger than kMaxSecretBytes.
StatusOr<std::string> GetSecret(const Session& session, string_view id, const CancelToken& cancel);

}  // namespace cairn::session
