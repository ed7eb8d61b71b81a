#include "daemon/session/policy_verifier.h"

#include "daemon/session/call.h"
#include "proto/policy_session.grpc.pb.h"

namespace cairn::session {

namespace policysession = moby::buildkit::v1::sourcepolicy::policysession;

Status CheckPolicy(const Session& session, const policysession::CheckPolicyRequest& request,
                   policysession::CheckPolicyResponse* response, const CancelToken& cancel) {
  Call call(session, cancel);
  auto stub = policysession::PolicyVerifier::NewStub(session.channel());
  return call.Finish(stub->CheckPolicy(call.context(), request, response));
}

}  // namespace cairn::session
