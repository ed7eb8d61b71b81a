#include "daemon/solver/step_draft.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/solver/vertex_errors.h"
#include "proto/ops.pb.h"

namespace cairn::solver {
namespace {

// What two builds' vertices must have in common to be one step: the op's bytes, what is ignored of
// the cache at and below it, the session when the op reads from whichever session there is, and the
// devices that it gets.
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
  for (const pb::CDIDevice& device : vertex.op->exec().cdidevices()) {
    absl::StrAppend(&salt, "device ", device.name(), "\n");
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

// Puts the devices that a build gets in the place of those that it asks for.
class DeviceChoice {
 public:
  DeviceChoice(const DeviceGrants& grants, const devices::DeviceRegistry* registry)
      : grants_(grants), registry_(registry) {}

  // `vertex` itself when it asks for none.
  StatusOr<std::shared_ptr<const llb::Vertex>> Apply(
      const std::shared_ptr<const llb::Vertex>& vertex) {
    if (vertex->op->exec().cdidevices().empty()) {
      return vertex;
    }
    // Read once for a graph, so that all its steps see the same.
    if (!catalog_ && registry_ != nullptr) {
      catalog_ = registry_->Read();
    }
    std::vector<devices::DeviceRequest> requests;
    for (const pb::CDIDevice& device : vertex->op->exec().cdidevices()) {
      requests.push_back({.name = device.name(), .optional = device.optional()});
    }
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     grants_.Resolve(requests, catalog_ ? *catalog_ : devices::DeviceCatalog()));
    auto op = std::make_shared<pb::Op>(*vertex->op);
    op->mutable_exec()->clear_cdidevices();
    for (const std::string& name : names) {
      op->mutable_exec()->add_cdidevices()->set_name(name);
    }
    auto chosen = std::make_shared<llb::Vertex>(*vertex);
    chosen->op = std::move(op);
    return chosen;
  }

 private:
  const DeviceGrants& grants_;
  const devices::DeviceRegistry* const registry_;
  std::optional<devices::DeviceCatalog> catalog_;
};

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
                                            const devices::DeviceRegistry* devices,
                                            const OpFactory& make_op) {
  std::vector<StepDraft> drafts;
  DeviceChoice choice(entitlements.devices(), devices);
  absl::flat_hash_map<Digest, Digest> identities;
  for (const auto& given : graph.vertices()) {
    Status allowed = CheckEntitlements(*given, entitlements);
    if (!allowed.ok()) {
      return WithVertexDetails(std::move(allowed), *given);
    }
    auto chosen = choice.Apply(given);
    if (!chosen.ok()) {
      return WithVertexDetails(chosen.status(), *given);
    }
    const std::shared_ptr<const llb::Vertex> vertex = *std::move(chosen);
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
