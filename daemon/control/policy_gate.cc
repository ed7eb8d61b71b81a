#include "daemon/control/policy_gate.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/control/run_all.h"
#include "daemon/control/source_meta_codec.h"
#include "daemon/llb/graph.h"
#include "daemon/llb/rewrite.h"
#include "daemon/session/policy_verifier.h"
#include "daemon/session/rpc_status.h"
#include "proto/policy_session.pb.h"

namespace cairn::control {
namespace {

namespace policysession = moby::buildkit::v1::sourcepolicy::policysession;
namespace sourcepolicy = moby::buildkit::v1::sourcepolicy;

// A client that still asks after as many answers goes in circles.
constexpr int kMaxRequests = 10;

bool SameSource(const pb::SourceOp& a, const pb::SourceOp& b) {
  return a.identifier() == b.identifier() &&
         std::map<std::string, std::string>(a.attrs().begin(), a.attrs().end()) ==
             std::map<std::string, std::string>(b.attrs().begin(), b.attrs().end());
}

Status Denied(const pb::SourceOp& source, const policysession::DecisionResponse& decision) {
  Status status = absl::PermissionDeniedError(
      absl::StrCat("source \"", source.identifier(), "\" not allowed by policy: action ",
                   sourcepolicy::PolicyAction_Name(decision.action())));
  if (decision.denymessages_size() > 0) {
    policysession::DecisionResponse detail;
    detail.set_action(sourcepolicy::DENY);
    *detail.mutable_denymessages() = decision.denymessages();
    session::AddErrorDetail(status, detail);
  }
  return status;
}

std::optional<pb::Platform> PlatformOf(const pb::Op& op) {
  return op.has_platform() ? std::optional(op.platform()) : std::nullopt;
}

// One source before the client: questions and answers until it decides.
class Hearing {
 public:
  Hearing(const session::Session& client, solver::Job& job, SourceResolver& sources,
          const std::optional<pb::Platform>& platform)
      : client_(client), job_(job), sources_(sources) {
    if (platform.has_value()) {
      *request_.mutable_platform() = *platform;
    }
  }

  // True when the client changed `source`, which is then to be judged anew.
  StatusOr<bool> Hear(pb::SourceOp* source, int* requests_left, const CancelToken& cancel) {
    request_.clear_source();
    *request_.mutable_source()->mutable_source() = *source;
    while (--*requests_left >= 0) {
      policysession::CheckPolicyResponse response;
      RETURN_IF_ERROR(session::CheckPolicy(client_, request_, &response, cancel));
      if (response.has_request()) {
        RETURN_IF_ERROR(Answer(*source, response.request(), cancel));
        continue;
      }
      if (!response.has_decision()) {
        return absl::InvalidArgumentError("no decision in policy response");
      }
      return Follow(response.decision(), source);
    }
    return absl::ResourceExhaustedError("too many policy requests");
  }

 private:
  Status Answer(const pb::SourceOp& source,
                const moby::buildkit::v1::frontend::ResolveSourceMetaRequest& asked,
                const CancelToken& cancel) {
    if (!SameSource(source, asked.source())) {
      return absl::InvalidArgumentError(
          absl::StrCat("policy requested different source: \"", asked.source().identifier(),
                       "\" != \"", source.identifier(), "\", or other attributes"));
    }
    ASSIGN_OR_RETURN_IN(const solver::SourceMeta meta,
                        ResolveInVertex(sources_, job_, DecodeSourceRequest(asked), cancel),
                        "error resolving source metadata from policy request");
    request_.clear_source();
    EncodeSourceMeta(meta, request_.mutable_source());
    // What is judged is the source as it is in the build, not as it was found.
    *request_.mutable_source()->mutable_source() = source;
    return absl::OkStatus();
  }

  static StatusOr<bool> Follow(const policysession::DecisionResponse& decision,
                               pb::SourceOp* source) {
    switch (decision.action()) {
      case sourcepolicy::ALLOW:
        return false;
      case sourcepolicy::CONVERT:
        if (!decision.has_update()) {
          return absl::InvalidArgumentError("convert action requires updated source");
        }
        *source = decision.update();
        return true;
      default:
        return Denied(*source, decision);
    }
  }

  const session::Session& client_;
  solver::Job& job_;
  SourceResolver& sources_;
  policysession::CheckPolicyRequest request_;
};

}  // namespace

StatusOr<std::shared_ptr<PolicyGate>> PolicyGate::Create(solver::SourcePolicies policies,
                                                         std::string session_id,
                                                         SourceResolver& sources,
                                                         session::SessionManager& sessions) {
  ASSIGN_OR_RETURN(Policy policy, source::SourcePolicy::Create(policies));
  return std::shared_ptr<PolicyGate>(new PolicyGate(std::move(policies), std::move(policy),
                                                    std::move(session_id), sources, sessions));
}

StatusOr<PolicyGate::Policy> PolicyGate::PolicyWith(const solver::SourcePolicies& more) const {
  if (more.empty()) {
    return policy_;
  }
  solver::SourcePolicies all = policies_;
  all.insert(all.end(), more.begin(), more.end());
  return source::SourcePolicy::Create(all);
}

Status PolicyGate::CheckOne(const source::SourcePolicy& policy, pb::SourceOp* source,
                            const std::optional<pb::Platform>& platform,
                            const CancelToken& cancel) {
  std::shared_ptr<session::Session> client;
  if (!session_id_.empty()) {
    ASSIGN_OR_RETURN(client, sessions_.Get(session_id_, cancel));
  }
  int requests_left = kMaxRequests;
  bool changed = true;
  while (changed) {
    source->set_identifier(source::NormalizedSource(source->identifier()));
    RETURN_IF_ERROR(policy.Apply(source).status());
    if (client == nullptr) {
      break;
    }
    Hearing hearing(*client, *job_, sources_, platform);
    ASSIGN_OR_RETURN(changed, hearing.Hear(source, &requests_left, cancel));
  }
  return absl::OkStatus();
}

Status PolicyGate::CheckSource(pb::SourceOp* source, const std::optional<pb::Platform>& platform,
                               const solver::SourcePolicies& more, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const Policy policy, PolicyWith(more));
  return Annotate(CheckOne(*policy, source, platform, cancel),
                  "could not resolve image due to policy");
}

StatusOr<pb::Definition> PolicyGate::Check(const pb::Definition& definition,
                                           const solver::SourcePolicies& more,
                                           const CancelToken& cancel) {
  if (policies_.empty() && more.empty() && session_id_.empty()) {
    return definition;
  }
  ASSIGN_OR_RETURN(const Policy policy, PolicyWith(more));
  ASSIGN_OR_RETURN(const llb::Graph graph, llb::Graph::LoadOrScratch(definition));
  if (!graph.target().has_value()) {
    return definition;
  }
  std::map<Digest, pb::Op> ops;
  for (const auto& vertex : graph.vertices()) {
    if (vertex->op->has_source()) {
      ops.emplace(vertex->digest, *vertex->op);
    }
  }
  std::vector<std::function<Status()>> tasks;
  for (auto& entry : ops) {
    tasks.push_back([this, &policy, &cancel, op = &entry.second] {
      return Annotate(CheckOne(*policy, op->mutable_source(), PlatformOf(*op), cancel),
                      "error evaluating the source policy");
    });
  }
  RETURN_IF_ERROR_IN(RunAll(tasks), "failed to load LLB");
  std::erase_if(ops, [&graph](const auto& entry) {
    return SameSource(entry.second.source(), graph.Find(entry.first)->op->source());
  });
  pb::Definition out = ops.empty() ? definition : llb::ReplaceOps(definition, graph, ops);
  MutexLock lock(mu_);
  passed_.insert(out.def(out.def_size() - 1));
  return out;
}

StatusOr<pb::Definition> PolicyGate::Filter(const pb::Definition& definition,
                                            const CancelToken& cancel) {
  if (!definition.def().empty()) {
    MutexLock lock(mu_);
    if (passed_.count(definition.def(definition.def_size() - 1)) > 0) {
      return definition;
    }
  }
  return Check(definition, {}, cancel);
}

}  // namespace cairn::control
