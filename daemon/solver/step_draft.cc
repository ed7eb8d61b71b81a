#include "daemon/solver/step_draft.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/solver/vertex_errors.h"
#include "proto/ops.pb.h"

namespace cairn::solver {
namespace {

// What two builds' vertices must have in common to be one step: the op's bytes, what is ignored of
// the cache at and below it, and the session when the op reads from whichever session there is.
Digest IdentityOf(const llb::Vertex& vertex, const std::vector<Digest>& inputs,
                  const session::SessionGroup& sessions) {
  std::string salt;
  if (vertex.metadata->ignore_cache()) {
    salt = "ignore-cache\n";
  }
  if (vertex.op->has_source() && absl::StartsWith(vertex.op->source().identifier(), "local://") &&
      vertex.op->source().attrs().count("local.session") == 0 && !sessions.empty()) {
    absl::StrAppend(&salt, "session ", sessions.ids().front(), "\n");
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] != vertex.inputs[i].vertex) {
      absl::StrAppend(&salt, "input ", i, " ", inputs[i].hex(), "\n");
    }
  }
  return salt.empty() ? vertex.digest : Digest::Of(absl::StrCat(vertex.digest.hex(), "\n", salt));
}

Status CheckEntitlements(const llb::Vertex& vertex, const Entitlements& entitlements) {
  if (!vertex.op->has_exec()) {
    return absl::OkStatus();
  }
  const pb::ExecOp& exec = vertex.op->exec();
  if (exec.network() == pb::HOST) {
    RETURN_IF_ERROR(entitlements.Require(Entitlement::kNetworkHost));
  }
  if (exec.security() == pb::INSECURE) {
    RETURN_IF_ERROR(entitlements.Require(Entitlement::kSecurityInsecure));
  }
  return absl::OkStatus();
}

}  // namespace

VertexEvent Announcement(const llb::Vertex& vertex) {
  VertexEvent event{.digest = vertex.digest};
  for (const llb::Edge& input : vertex.inputs) {
    event.inputs.push_back(input.vertex);
  }
  event.name = vertex.name;
  if (vertex.metadata->has_progress_group()) {
    event.progress_group = vertex.metadata->progress_group();
  }
  return event;
}

StatusOr<std::vector<StepDraft>> MakeDrafts(const llb::Graph& graph,
                                            const Entitlements& entitlements,
                                            const session::SessionGroup& sessions,
                                            const OpFactory& make_op) {
  std::vector<StepDraft> drafts;
  absl::flat_hash_map<Digest, Digest> identities;
  for (const auto& vertex : graph.vertices()) {
    Status allowed = CheckEntitlements(*vertex, entitlements);
    if (!allowed.ok()) {
      return WithVertexDetails(std::move(allowed), *vertex);
    }
    std::vector<Digest> inputs;
    for (const llb::Edge& input : vertex->inputs) {
      inputs.push_back(identities.at(input.vertex));
    }
    const Digest identity = IdentityOf(*vertex, inputs, sessions);
    identities.insert_or_assign(vertex->digest, identity);
    auto op = make_op(*vertex);
    if (!op.ok()) {
      return WithVertexDetails(op.status(), *vertex);
    }
    drafts.push_back({.identity = identity, .vertex = vertex, .op = *std::move(op)});
  }
  return drafts;
}

}  // namespace cairn::solver
