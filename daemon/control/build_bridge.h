// One build's Bridge: what its frontends may ask the daemon for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cache/layer/chain_store.h"
#include "daemon/caches/build_imports.h"
#include "daemon/control/build_request.h"
#include "daemon/control/policy_gate.h"
#include "daemon/control/request_record.h"
#include "daemon/control/source_resolver.h"
#include "daemon/solver/frontend.h"
#include "daemon/solver/solver.h"

namespace cairn::control {

// Frontends by name ("dockerfile.v0").
using Frontends = std::map<std::string, std::unique_ptr<solver::Frontend>>;

// The frontend that a request for `frontend` is for. The gateway asked for a source that is the
// name of a built-in frontend means that one; then the source, which is no image, is taken out of
// `options`.
std::string TakeBuiltinFrontend(const std::string& frontend,
                                std::map<std::string, std::string>* options);

// What bridges of all builds share. All of it outlives them.
struct BridgeEnvironment {
  const Frontends& frontends;
  SourceResolver& sources;
  layer::ChainStore& chains;
  const std::vector<Platform>& platforms;
};

// The caches that a frontend's options ask for: "cache-imports" (JSON), or "cache-from" (registry
// references). kInvalidArgument when they are malformed.
StatusOr<std::vector<TypedAttributes>> CacheImportsOf(
    const std::map<std::string, std::string>& options);

// Thread-safe. `job`, `gate`, which all sources pass, `record`, which learns what is asked for
// here, and `imports`, which reads the caches that are named here, outlive the bridge.
class BuildBridge final : public solver::Bridge {
 public:
  BuildBridge(const BridgeEnvironment& environment, solver::Job& job, PolicyGate& gate,
              RequestRecord& record, caches::BuildImports& imports,
              std::map<std::string, pb::Definition> inputs, std::string session_id);

  solver::Job* job() override { return &job_; }
  StatusOr<solver::FrontendResult> Solve(const solver::SolveRequest& request,
                                         const CancelToken& cancel) override;
  StatusOr<solver::ImageConfig> ResolveImageConfig(const solver::ResolveImageRequest& request,
                                                   const CancelToken& cancel) override;
  StatusOr<solver::SourceMeta> ResolveSourceMeta(const solver::ResolveSourceRequest& request,
                                                 const CancelToken& cancel) override;
  StatusOr<std::string> ReadFile(const solver::RefPtr& ref, string_view path,
                                 std::optional<solver::FileRange> range,
                                 const CancelToken& cancel) override;
  StatusOr<std::vector<solver::FileStat>> ReadDir(const solver::RefPtr& ref, string_view path,
                                                  string_view include_pattern,
                                                  const CancelToken& cancel) override;
  StatusOr<solver::FileStat> StatFile(const solver::RefPtr& ref, string_view path,
                                      const CancelToken& cancel) override;
  Status Warn(solver::WarningEvent warning) override;
  const std::vector<Platform>& platforms() const override { return environment_.platforms; }
  const std::map<std::string, pb::Definition>& inputs() const override { return inputs_; }
  std::string session_id() const override { return session_id_; }

 private:
  StatusOr<solver::FrontendResult> RunFrontend(const solver::SolveRequest& request,
                                               const CancelToken& cancel);
  // The whole tree of `ref`, solved if need be; null is the empty tree.
  StatusOr<tree::TreeRef> TreeOf(const solver::RefPtr& ref, const CancelToken& cancel);

  const BridgeEnvironment environment_;
  solver::Job& job_;
  PolicyGate& gate_;
  RequestRecord& record_;
  caches::BuildImports& imports_;
  const std::map<std::string, pb::Definition> inputs_;
  const std::string session_id_;
};

}  // namespace cairn::control
