// The source policy that a client evaluates itself (policysession.PolicyVerifier).
#pragma once

#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace moby::buildkit::v1::sourcepolicy::policysession {
class CheckPolicyRequest;
class CheckPolicyResponse;
}  // namespace moby::buildkit::v1::sourcepolicy::policysession

namespace cairn::session {

// Asks for a decision on one source. The answer is a decision, or a request for more metadata to be
// found and sent in another call.
Status CheckPolicy(
    const Session& session,
    const moby::buildkit::v1::sourcepolicy::policysession::CheckPolicyRequest& request,
    moby::buildkit::v1::sourcepolicy::policysession::CheckPolicyResponse* response,
    const CancelToken& cancel);

}  // namespace cairn::session
