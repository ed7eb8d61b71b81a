// PolicyGate: what a build may take as a source, and what it takes instead.
//
// A build's rules come with its request; a frontend may add some to one request of its own; and the
// client may decide by itself, asked over its session about each source (with as much of what is
// known of the source as it wants). All of them see every source that is solved or resolved,
// whoever wrote the definition.
//
// One per build. Thread-safe after Attach. The session is asked about several sources at a time.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/control/source_resolver.h"
#include "daemon/session/session_manager.h"
#include "daemon/solver/frontend.h"
#include "daemon/solver/solver.h"
#include "daemon/source/source_policy.h"
#include "runtime/base/sync.h"

namespace cairn::control {

class PolicyGate {
 public:
  // `policies` are the request's; `session_id` is the session to ask, empty for none. References
  // outlive the gate. Errors as of SourcePolicy::Create.
  static StatusOr<std::shared_ptr<PolicyGate>> Create(solver::SourcePolicies policies,
                                                      std::string session_id,
                                                      SourceResolver& sources,
                                                      session::SessionManager& sessions);

  // The build, which outlives the gate's use. Call once, before anything is checked.
  void Attach(solver::Job& job) { job_ = &job; }

  // `definition` with its sources as the rules want them: rewritten where they say so.
  // kPermissionDenied, with the client's reasons as details, for a source that is not allowed.
  StatusOr<pb::Definition> Check(const pb::Definition& definition,
                                 const solver::SourcePolicies& more, const CancelToken& cancel);

  // The same for definitions that the build loads: those that Check has let through stay as they
  // are.
  StatusOr<pb::Definition> Filter(const pb::Definition& definition, const CancelToken& cancel);

  // The same for one source that is asked about. Normalises its identifier.
  Status CheckSource(pb::SourceOp* source, const std::optional<pb::Platform>& platform,
                     const solver::SourcePolicies& more, const CancelToken& cancel);

 private:
  using Policy = std::shared_ptr<const source::SourcePolicy>;

  PolicyGate(solver::SourcePolicies policies, Policy policy, std::string session_id,
             SourceResolver& sources, session::SessionManager& sessions)
      : policies_(std::move(policies)),
        policy_(std::move(policy)),
        session_id_(std::move(session_id)),
        sources_(sources),
        sessions_(sessions) {}

  // The build's rules with those of one request.
  StatusOr<Policy> PolicyWith(const solver::SourcePolicies& more) const;
  Status CheckOne(const source::SourcePolicy& policy, pb::SourceOp* source,
                  const std::optional<pb::Platform>& platform, const CancelToken& cancel);

  const solver::SourcePolicies policies_;
  const Policy policy_;
  const std::string session_id_;
  SourceResolver& sources_;
  session::SessionManager& sessions_;
  solver::Job* job_ = nullptr;

  Mutex mu_;
  // Last elements of definitions that were let through: by their digests they name all of the
  // graph.
  std::set<std::string> passed_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::control
