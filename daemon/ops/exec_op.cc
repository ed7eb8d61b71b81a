#include "daemon/ops/exec_op.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/llb/errors.h"
#include "daemon/ops/exec_devices.h"
#include "daemon/ops/exec_spec.h"
#include "daemon/ops/output_pump.h"
#include "daemon/solver/solved_ref.h"
#include "runtime/base/go_match.h"

namespace cairn::ops {
namespace {

Platform PlatformOf(const pb::Op& op) {
  if (!op.has_platform()) {
    return Platform::Host();
  }
  const pb::Platform& from = op.platform();
  Platform platform{.os = from.os(),
                    .architecture = from.architecture(),
                    .variant = from.variant(),
                    .os_version = from.osversion(),
                    .os_features = {from.osfeatures().begin(), from.osfeatures().end()}};
  return platform.Normalized();
}

// An id or sharing that a user chose does not change what a cache mount is for; the Dockerfile's
// own default ids name the place and stay.
bool IdNamesPlace(const pb::Mount& mount) {
  const std::string& id = mount.cacheopt().id();
  const size_t slash = id.find('/');
  return mount.cacheopt().sharing() == pb::SHARED &&
         (id == mount.dest() ||
          (slash != std::string::npos && id.substr(slash + 1) == mount.dest()));
}

void AddMount(steps::KeyBuilder& key, const pb::Mount& mount, int index) {
  const std::string prefix = absl::StrCat("mount.", index, ".");
  key.Add(absl::StrCat(prefix, pb::MountType_Name(mount.mounttype())), mount.dest());
  key.AddNumber(absl::StrCat(prefix, "input"), mount.input());
  key.AddNumber(absl::StrCat(prefix, "output"), mount.output());
  key.AddNumber(absl::StrCat(prefix, "readonly"), mount.readonly());
  if (mount.has_cacheopt() && IdNamesPlace(mount)) {
    key.Add(absl::StrCat(prefix, "cache"), mount.cacheopt().id());
  }
  if (mount.has_tmpfsopt()) {
    key.AddNumber(absl::StrCat(prefix, "size"), mount.tmpfsopt().size());
  }
  // Which secret or agent, and for whom; never what it is.
  const auto add_private = [&](const auto& option) {
    key.Add(absl::StrCat(prefix, "id"), option.id());
    key.AddNumber(absl::StrCat(prefix, "uid"), option.uid());
    key.AddNumber(absl::StrCat(prefix, "gid"), option.gid());
    key.AddNumber(absl::StrCat(prefix, "mode"), option.mode());
    key.AddNumber(absl::StrCat(prefix, "optional"), option.optional());
  };
  if (mount.has_secretopt()) {
    add_private(mount.secretopt());
  }
  if (mount.has_sshopt()) {
    add_private(mount.sshopt());
  }
}

steps::KeyBuilder KeyOf(const pb::Op& op) {
  const pb::ExecOp& exec = op.exec();
  const pb::Meta& meta = exec.meta();
  steps::KeyBuilder key("exec 1");
  key.Add("platform", PlatformOf(op).ToString());
  for (const std::string& arg : meta.args()) {
    key.Add("arg", arg);
  }
  for (const std::string& env : meta.env()) {
    key.Add("env", env);
  }
  key.Add("cwd", meta.cwd());
  key.Add("user", meta.user());
  key.Add("hostname", meta.hostname());
  for (const pb::HostIP& host : meta.extrahosts()) {
    key.Add("extra-host", host.host());
  }
  for (const pb::Ulimit& ulimit : meta.ulimit()) {
    key.Add("ulimit", absl::StrCat(ulimit.name(), "=", ulimit.soft(), ":", ulimit.hard()));
  }
  key.Add("cgroup-parent", meta.cgroupparent());
  key.AddNumber("remove-stubs", meta.removemountstubsrecursive());
  for (const int code : meta.validexitcodes()) {
    key.AddNumber("valid-exit-code", code);
  }
  key.Add("network", pb::NetMode_Name(exec.network()));
  key.Add("security", pb::SecurityMode_Name(exec.security()));
  for (const pb::SecretEnv& secret : exec.secretenv()) {
    key.Add("secret-env", absl::StrCat(secret.name(), "=", secret.id()));
  }
  for (const pb::CDIDevice& device : exec.cdidevices()) {
    key.Add("device", device.name());
  }
  for (int i = 0; i < exec.mounts_size(); ++i) {
    AddMount(key, exec.mounts(i), i);
  }
  return key;
}

// Whether a mount may depend on what it selects alone: nothing of the rest can reach the result.
StatusOr<bool> MaySelect(const pb::Mount& mount, const std::string& selector) {
  const bool safe = mount.output() == -1 || mount.readonly() || selector == "/";
  if (mount.contentcache() == pb::ON && !safe) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid mount cache content for ", mount.dest()));
  }
  return safe && mount.contentcache() != pb::OFF && mount.dest() != "/" && selector != "/";
}

StatusOr<std::vector<solver::KeyInput>> KeyInputsOf(const pb::Op& op) {
  std::map<int, std::set<std::string>> selected;
  std::set<int> whole;
  for (const pb::Mount& mount : op.exec().mounts()) {
    const bool reads = mount.mounttype() == pb::BIND || mount.mounttype() == pb::CACHE;
    if (!reads || mount.input() == -1) {
      continue;
    }
    if (mount.input() < 0 || mount.input() >= op.inputs_size()) {
      return absl::InvalidArgumentError(absl::StrCat("invalid mount input ", mount.input()));
    }
    const int input = static_cast<int>(mount.input());
    const std::string selector = CleanPath(absl::StrCat("/", mount.selector()));
    ASSIGN_OR_RETURN(const bool may_select, MaySelect(mount, selector));
    if (may_select) {
      selected[input].insert(selector);
    } else {
      whole.insert(input);
    }
  }
  std::vector<solver::KeyInput> inputs;
  for (int input = 0; input < op.inputs_size(); ++input) {
    if (whole.count(input) > 0) {
      inputs.push_back({.input = input});
    } else if (selected.count(input) > 0) {
      const std::set<std::string>& paths = selected[input];
      inputs.push_back(
          {.input = input, .selection = tree::Selection{.paths = {paths.begin(), paths.end()}}});
    }
  }
  return inputs;
}

class ExecOp final : public solver::Op {
 public:
  ExecOp(const llb::Vertex& vertex, const ExecEnvironment& environment)
      : op_(vertex.op), metadata_(vertex.metadata), environment_(environment) {}

  bool takes_slot() const override { return true; }

  StatusOr<solver::Prepared> Prepare(solver::OpContext&) override {
    if (op_->exec().meta().args().empty()) {
      return absl::InvalidArgumentError("invalid exec op with no args");
    }
    ASSIGN_OR_RETURN(std::vector<solver::KeyInput> inputs, KeyInputsOf(*op_));
    return solver::Prepared{.key = KeyOf(*op_), .inputs = std::move(inputs)};
  }

  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext& context,
                                              const std::vector<layer::Chain>& inputs) override {
    std::unique_ptr<ExecMounts> mounts;
    auto outputs = RunStep(context, inputs, mounts);
    if (outputs.ok() || absl::IsCancelled(outputs.status())) {
      return outputs;
    }
    errdefs::Solve solve;
    *solve.mutable_op() = *op_;
    *solve.mutable_description() = metadata_->description();
    if (mounts != nullptr && context.keep) {
      KeepStates(context, inputs, mounts->Keep(), solve);
    }
    return llb::WithSolve(outputs.status(), solve);
  }

 private:
  Status AddSecrets(solver::OpContext& context, std::vector<std::string>& env) const {
    for (const pb::SecretEnv& secret : op_->exec().secretenv()) {
      if (secret.id().empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("secret ID missing for \"", secret.name(), "\" environment variable"));
      }
      ASSIGN_OR_RETURN(const std::optional<std::string> value,
                       FindSecret(environment_.stores.sessions, context.sessions, secret.id(),
                                  secret.optional(), context.cancel));
      env.push_back(absl::StrCat(secret.name(), "=", value.value_or("")));
    }
    return absl::OkStatus();
  }

  // What the devices that the solver chose bring along.
  StatusOr<devices::ContainerEdits> FindEdits() const {
    std::vector<std::string> names;
    for (const pb::CDIDevice& device : op_->exec().cdidevices()) {
      names.push_back(device.name());
    }
    return names.empty()                     ? devices::ContainerEdits()
           : environment_.devices == nullptr ? devices::DeviceCatalog().EditsOf(names)
                                             : environment_.devices->Read().EditsOf(names);
  }

  // Names what went into each mount and what the step left there, so that a client can start a
  // container on it.
  void KeepStates(const solver::OpContext& context, const std::vector<layer::Chain>& inputs,
                  const std::vector<solver::RefPtr>& states, errdefs::Solve& solve) const {
    for (int i = 0; i < op_->exec().mounts_size(); ++i) {
      const int64_t input = op_->exec().mounts(i).input();
      solve.add_inputids(
          input < 0 ? "" : context.keep(solver::MakeSolvedRef(inputs[static_cast<size_t>(input)])));
      solve.add_mountids(states[i] == nullptr ? "" : context.keep(states[i]));
    }
  }

  // `mounts` are set once the process could run, and left to the caller when it fails.
  StatusOr<std::vector<solver::OpOutput>> RunStep(solver::OpContext& context,
                                                  const std::vector<layer::Chain>& inputs,
                                                  std::unique_ptr<ExecMounts>& mounts) {
    const pb::ExecOp& exec = op_->exec();
    ASSIGN_OR_RETURN(sandbox::ContainerSpec container,
                     ContainerOf(exec, metadata_->linux_resources(), context.entitlements));
    sandbox::ProcessSpec process = ProcessOf(exec.meta(), op_->platform().os());
    RETURN_IF_ERROR(AddSecrets(context, process.env));
    // A build without cache starts with empty cache mounts; its own steps share them.
    const auto must_empty = [this, &context](const std::string& id) {
      return metadata_->ignore_cache() &&
             context.job.memory().IsFirst(absl::StrCat("empty cache mount ", id));
    };
    ASSIGN_OR_RETURN(const devices::ContainerEdits edits, FindEdits());
    ASSIGN_OR_RETURN(
        mounts, ExecMounts::Prepare(
                    environment_.stores,
                    {.mounts = exec.mounts(),
                     .cwd = exec.meta().cwd(),
                     .inputs = inputs,
                     .sessions = context.sessions,
                     .lease = context.lease,
                     .description = absl::StrCat("exec ", absl::StrJoin(exec.meta().args(), " ")),
                     .must_empty = must_empty},
                    context.cancel));
    container.root = mounts->root();
    container.mounts = mounts->mounts();
    RETURN_IF_ERROR(AddDevices(edits, container, process));
    sandbox::RunOutcome outcome;
    {
      sandbox::ProcessIo io;
      ASSIGN_OR_RETURN(const auto pump,
                       OutputPump::Start(io, [&context](int stream, string_view data) {
                         if (!data.empty()) {
                           context.reporter.Log(stream, data);
                         }
                       }));
      outcome = environment_.executor.Run(container, process, std::move(io), context.cancel);
    }
    RETURN_IF_ERROR(CheckOutcome(outcome, exec.meta(), PlatformOf(*op_)));
    const std::unique_ptr<ExecMounts> ended = std::move(mounts);
    return ended->Commit(context.cancel);
  }

  // Shared with the vertex, which the plan may outlive.
  const std::shared_ptr<const pb::Op> op_;
  const std::shared_ptr<const pb::OpMetadata> metadata_;
  const ExecEnvironment& environment_;
};

}  // namespace

std::unique_ptr<solver::Op> MakeExecOp(const llb::Vertex& vertex,
                                       const ExecEnvironment& environment) {
  return std::make_unique<ExecOp>(vertex, environment);
}

}  // namespace cairn::ops
