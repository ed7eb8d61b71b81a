// ExecMounts: the mounts of a step or a gateway container (pb.Mount), ready for the sandbox.
//
// Inputs become read-only or written overlays, secrets files, agents sockets (protocol.md A.1).
// Holds all of it in place until destruction. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/layer/chain_store.h"
#include "cache/snapshot/snapshotter.h"
#include "daemon/ops/cache_mounts.h"
#include "daemon/session/session_group.h"
#include "daemon/session/ssh_agent.h"
#include "daemon/solver/op.h"
#include "proto/ops.pb.h"
#include "runtime/base/cancel.h"
#include "runtime/sandbox/mount_spec.h"

namespace cairn::ops {

class ExecMounts {
 public:
  struct Stores {
    layer::ChainStore& chains;
    snapshot::Snapshotter& snapshots;
    CacheMounts& cache_mounts;
    session::SessionManager& sessions;
    // A directory of the daemon's own for agents' sockets.
    std::string socket_directory;
  };

  struct Request {
    const google::protobuf::RepeatedPtrField<pb::Mount>& mounts;
    std::string cwd;  // relative destinations are below it
    // By pb.Mount.input.
    const std::vector<layer::Chain>& inputs;
    const session::SessionGroup& sessions;
    gc::Lease& lease;
    std::string description;  // of cache mounts' records
    // Whether a cache mount drops what it holds; absent: none does.
    std::function<bool(const std::string& id)> must_empty = nullptr;
  };

  static StatusOr<std::unique_ptr<ExecMounts>> Prepare(const Stores& stores, const Request& request,
                                                       const CancelToken& cancel);
  ~ExecMounts();

  const sandbox::RootSpec& root() const { return root_; }
  // Parents first.
  const std::vector<sandbox::MountSpec>& mounts() const { return mounts_; }

  // What the mounts with an output amount to now, in the order of the mounts. Called once, after
  // the step has ended.
  StatusOr<std::vector<solver::OpOutput>> Commit(const CancelToken& cancel);

  // What the mounts show after the step has failed, by their index: as it left them where it could
  // write, else what they were. Null where there is nothing to look into. Instead of Commit, once.
  // The stores outlive the refs.
  std::vector<solver::RefPtr> Keep();

 private:
  // A mount that has an output, or is written.
  struct Output {
    int mount = 0;  // its index
    layer::Chain base;
    int base_input = -1;
    bool is_root = false;
    std::unique_ptr<snapshot::Writable> written;  // null: the output is the input
  };

  explicit ExecMounts(const Stores& stores) : stores_(stores) {}

  Status Add(int index, const pb::Mount& mount, const Request& request, const CancelToken& cancel);
  Status AddBind(int index, const pb::Mount& mount, const layer::Chain* input,
                 sandbox::MountSpec spec, const CancelToken& cancel);
  Status AddCache(int index, const pb::Mount& mount, const layer::Chain* input,
                  const Request& request, sandbox::MountSpec spec, const CancelToken& cancel);
  Status AddSecret(const pb::Mount& mount, const Request& request, sandbox::MountSpec spec,
                   const CancelToken& cancel);
  Status AddAgent(const pb::Mount& mount, const Request& request, sandbox::MountSpec spec,
                  const CancelToken& cancel);

  // Makes the directories that the container's kernel file systems were mounted on where the root
  // had none: they stay in the result, as container runtimes leave them there.
  Status KeepMountPoints(const Output& output) const;

  const Stores stores_;
  bool has_root_ = false;
  sandbox::RootSpec root_;
  std::vector<sandbox::MountSpec> mounts_;
  std::vector<Output> outputs_;
  std::vector<std::unique_ptr<snapshot::Mountable>> mountables_;
  std::vector<Output> discarded_;       // written, with no output
  std::vector<solver::RefPtr> inputs_;  // by mount; null without an input
  std::vector<std::unique_ptr<CacheMounts::Use>> caches_;
  std::map<std::pair<std::string, int64_t>, std::string> cache_directories_;  // by id and input
  std::vector<std::unique_ptr<session::SshAgent>> agents_;
};

// A secret for the step `sessions` ask for; nullopt when it is optional and nobody has it. Missing:
// kNotFound "secret <id>: not found".
StatusOr<std::optional<std::string>> FindSecret(session::SessionManager& manager,
                                                const session::SessionGroup& sessions,
                                                const std::string& id, bool optional,
                                                const CancelToken& cancel);

}  // namespace cairn::ops
