#include "daemon/ops/exec_mounts.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/session/secrets.h"
#include "daemon/solver/solved_ref.h"
#include "runtime/base/go_match.h"
#include "runtime/base/sync.h"

namespace cairn::ops {
namespace {

bool IsAbsent(const Status& status) {
  return absl::IsNotFound(status) || absl::IsUnimplemented(status) || absl::IsUnavailable(status);
}

CacheSharing SharingOf(pb::CacheSharingOpt sharing) {
  switch (sharing) {
    case pb::PRIVATE:
      return CacheSharing::kPrivate;
    case pb::LOCKED:
      return CacheSharing::kLocked;
    default:
      return CacheSharing::kShared;
  }
}

// What a failed step wrote, walked only when somebody wants to look at it.
class WrittenRef final : public solver::Ref {
 public:
  WrittenRef(snapshot::Snapshotter& snapshots, layer::Chain base,
             std::unique_ptr<snapshot::Writable> written)
      : snapshots_(snapshots), base_(std::move(base)), written_(std::move(written)) {}

  StatusOr<layer::Chain> Evaluate(const CancelToken& cancel) override {
    std::unique_ptr<snapshot::Writable> written;
    {
      MutexLock lock(mu_);
      written = std::move(written_);
      while (written == nullptr && !result_) {
        changed_.Wait(mu_);
      }
      if (result_) {
        return *result_;
      }
    }
    StatusOr<layer::Chain> result = snapshots_.Commit(std::move(written), base_, cancel);
    MutexLock lock(mu_);
    result_ = result;
    changed_.NotifyAll();
    return result;
  }
  bool Repair() override { return false; }
  const pb::Definition& definition() const override { return definition_; }

 private:
  snapshot::Snapshotter& snapshots_;
  const layer::Chain base_;
  const pb::Definition definition_;
  Mutex mu_;
  CondVar changed_;
  std::unique_ptr<snapshot::Writable> written_ ABSL_GUARDED_BY(mu_);  // until the first Evaluate
  std::optional<StatusOr<layer::Chain>> result_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

StatusOr<std::optional<std::string>> FindSecret(session::SessionManager& manager,
                                                const session::SessionGroup& sessions,
                                                const std::string& id, bool optional,
                                                const CancelToken& cancel) {
  std::string value;
  const Status status = sessions.Any(
      manager, cancel, [&](const std::shared_ptr<session::Session>& session) -> Status {
        auto secret = session::GetSecret(*session, id, cancel);
        RETURN_IF_ERROR(secret.status());
        value = *std::move(secret);
        return absl::OkStatus();
      });
  if (status.ok()) {
    return std::optional<std::string>(std::move(value));
  }
  if (optional && IsAbsent(status)) {
    return std::optional<std::string>();
  }
  return status;
}

ExecMounts::~ExecMounts() = default;

StatusOr<std::unique_ptr<ExecMounts>> ExecMounts::Prepare(const Stores& stores,
                                                          const Request& request,
                                                          const CancelToken& cancel) {
  std::unique_ptr<ExecMounts> prepared(new ExecMounts(stores));
  for (int i = 0; i < request.mounts.size(); ++i) {
    RETURN_IF_ERROR(cancel.Check());
    RETURN_IF_ERROR(prepared->Add(i, request.mounts[i], request, cancel));
  }
  if (!prepared->has_root_) {
    return absl::InvalidArgumentError("exec has no root mount");
  }
  std::stable_sort(prepared->mounts_.begin(), prepared->mounts_.end(),
                   [](const sandbox::MountSpec& a, const sandbox::MountSpec& b) {
                     return a.destination < b.destination;
                   });
  return prepared;
}

Status ExecMounts::Add(int index, const pb::Mount& mount, const Request& request,
                       const CancelToken& cancel) {
  const bool is_root = mount.dest() == "/";
  if (is_root && mount.mounttype() != pb::BIND) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid mount type ", pb::MountType_Name(mount.mounttype()), " for /"));
  }
  if (is_root && has_root_) {
    return absl::InvalidArgumentError("exec has two root mounts");
  }
  const layer::Chain* input = nullptr;
  if (mount.input() != -1) {
    if (mount.input() < 0 || mount.input() >= static_cast<int64_t>(request.inputs.size())) {
      return absl::InvalidArgumentError(absl::StrCat("missing input ", mount.input()));
    }
    input = &request.inputs[mount.input()];
  }
  inputs_.push_back(input == nullptr ? nullptr : solver::MakeSolvedRef(*input));
  sandbox::MountSpec spec;
  spec.destination = absl::StartsWith(mount.dest(), "/")
                         ? CleanPath(mount.dest())
                         : JoinPath(absl::StrCat("/", request.cwd), mount.dest());
  spec.selector = mount.selector();
  spec.readonly = mount.readonly();
  switch (mount.mounttype()) {
    case pb::BIND:
      return AddBind(index, mount, input, std::move(spec), cancel);
    case pb::CACHE:
      return AddCache(index, mount, input, request, std::move(spec), cancel);
    case pb::TMPFS:
      spec.kind = sandbox::MountSpec::Kind::kTmpfs;
      spec.selector.clear();
      spec.size_bytes = static_cast<uint64_t>(std::max<int64_t>(0, mount.tmpfsopt().size()));
      mounts_.push_back(std::move(spec));
      return absl::OkStatus();
    case pb::SECRET:
      return AddSecret(mount, request, std::move(spec), cancel);
    case pb::SSH:
      return AddAgent(mount, request, std::move(spec), cancel);
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("unknown mount type ", static_cast<int>(mount.mounttype())));
  }
}

Status ExecMounts::AddBind(int index, const pb::Mount& mount, const layer::Chain* input,
                           sandbox::MountSpec spec, const CancelToken& cancel) {
  const bool is_root = mount.dest() == "/";
  ASSIGN_OR_RETURN(const layer::Chain scratch, stores_.chains.Scratch());
  const layer::Chain& base = input != nullptr ? *input : scratch;
  const bool has_output = mount.output() != -1;
  const bool written = is_root || !mount.readonly() || (has_output && input == nullptr);
  ASSIGN_OR_RETURN_IN(auto mountable, stores_.snapshots.Mount(base, cancel),
                      absl::StrCat("mount ", spec.destination));
  sandbox::OverlaySpec overlay{.lowers = mountable->lower_directories()};
  mountables_.push_back(std::move(mountable));
  std::unique_ptr<snapshot::Writable> writable;
  if (written) {
    ASSIGN_OR_RETURN_IN(writable, stores_.snapshots.NewWritable(base),
                        absl::StrCat("mount ", spec.destination));
    overlay.upper = writable->upper_directory();
    overlay.work = writable->work_directory();
  }
  if (is_root) {
    has_root_ = true;
    root_.overlay = std::move(overlay);
    root_.readonly = mount.readonly();
  } else if (!written && overlay.lowers.size() == 1) {
    // The kernel has no overlay of one directory that cannot be written.
    spec.kind = sandbox::MountSpec::Kind::kBind;
    spec.source = overlay.lowers.front();
    spec.readonly = true;
    mounts_.push_back(std::move(spec));
  } else {
    spec.kind = sandbox::MountSpec::Kind::kOverlay;
    spec.overlay = std::move(overlay);
    mounts_.push_back(std::move(spec));
  }
  Output output{.mount = index,
                .base = base,
                .base_input = static_cast<int>(mount.input()),
                .is_root = is_root,
                .written = std::move(writable)};
  if (has_output) {
    outputs_.push_back(std::move(output));
  } else if (output.written != nullptr) {
    discarded_.push_back(std::move(output));
  }
  return absl::OkStatus();
}

Status ExecMounts::AddCache(int index, const pb::Mount& mount, const layer::Chain* input,
                            const Request& request, sandbox::MountSpec spec,
                            const CancelToken& cancel) {
  if (!mount.has_cacheopt()) {
    return absl::InvalidArgumentError("missing cache mount options");
  }
  CacheMounts::Request wanted{
      .id = mount.cacheopt().id(),
      .sharing = SharingOf(mount.cacheopt().sharing()),
      .description = absl::StrCat("cached mount ", mount.dest(), " from ", request.description),
      .empty_first = request.must_empty != nullptr && request.must_empty(mount.cacheopt().id())};
  if (input != nullptr) {
    wanted.initial = *input;
  }
  // A step that mounts one cache twice has it once: a locked one would otherwise wait for itself.
  std::string& directory = cache_directories_[{wanted.id, mount.input()}];
  if (directory.empty() || wanted.sharing == CacheSharing::kPrivate) {
    ASSIGN_OR_RETURN(auto use, stores_.cache_mounts.Acquire(wanted, request.lease, cancel));
    directory = use->directory();
    caches_.push_back(std::move(use));
  }
  spec.kind = sandbox::MountSpec::Kind::kBind;
  spec.source = directory;
  mounts_.push_back(std::move(spec));
  if (mount.output() != -1 && input != nullptr) {
    outputs_.push_back(
        {.mount = index, .base = *input, .base_input = static_cast<int>(mount.input())});
  }
  return absl::OkStatus();
}

Status ExecMounts::AddSecret(const pb::Mount& mount, const Request& request,
                             sandbox::MountSpec spec, const CancelToken& cancel) {
  const pb::SecretOpt& option = mount.secretopt();
  if (option.id().empty()) {
    return absl::InvalidArgumentError("secret ID missing from mount options");
  }
  ASSIGN_OR_RETURN(
      std::optional<std::string> secret,
      FindSecret(stores_.sessions, request.sessions, option.id(), option.optional(), cancel));
  if (!secret) {
    return absl::OkStatus();
  }
  spec.kind = sandbox::MountSpec::Kind::kFile;
  spec.selector.clear();
  spec.readonly = true;
  spec.content = *std::move(secret);
  spec.uid = option.uid();
  spec.gid = option.gid();
  spec.mode = option.mode() & 0777;
  mounts_.push_back(std::move(spec));
  return absl::OkStatus();
}

Status ExecMounts::AddAgent(const pb::Mount& mount, const Request& request, sandbox::MountSpec spec,
                            const CancelToken& cancel) {
  const pb::SSHOpt& option = mount.sshopt();
  const std::string id = option.id().empty() ? "default" : option.id();
  std::shared_ptr<session::Session> owner;
  Status status = request.sessions.Any(
      stores_.sessions, cancel, [&](const std::shared_ptr<session::Session>& session) {
        Status forwarded = session::CheckSshAgent(*session, id, cancel);
        if (forwarded.ok()) {
          owner = session;
        }
        return forwarded;
      });
  if (!status.ok() && option.optional() && !absl::IsCancelled(status)) {
    return absl::OkStatus();
  }
  if (absl::IsUnimplemented(status)) {
    return absl::NotFoundError(
        absl::StrCat("no SSH key \"", option.id(), "\" forwarded from the client"));
  }
  RETURN_IF_ERROR(status);
  ASSIGN_OR_RETURN(
      auto agent,
      session::SshAgent::Listen(
          std::move(owner),
          {.id = id, .uid = option.uid(), .gid = option.gid(), .mode = option.mode() & 0777},
          stores_.socket_directory, cancel));
  spec.kind = sandbox::MountSpec::Kind::kSocket;
  spec.selector.clear();
  spec.source = agent->socket_path();
  spec.uid = option.uid();
  spec.gid = option.gid();
  spec.mode = option.mode() & 0777;
  mounts_.push_back(std::move(spec));
  agents_.push_back(std::move(agent));
  return absl::OkStatus();
}

Status ExecMounts::KeepMountPoints(const Output& output) const {
  ASSIGN_OR_RETURN(const tree::TreeRef tree, stores_.chains.TreeOf(output.base));
  ASSIGN_OR_RETURN(const auto root, stores_.chains.trees().Load(tree.digest));
  for (const char* name : {"dev", "proc", "sys"}) {
    const std::string path = absl::StrCat(output.written->upper_directory(), "/", name);
    if (root->Find(name) != nullptr || (::mkdir(path.c_str(), 0755) != 0 && errno == EEXIST)) {
      continue;
    }
    if (::chmod(path.c_str(), 0755) != 0) {  // whatever the umask
      return ErrnoStatus(errno, absl::StrCat("make /", name));
    }
  }
  return absl::OkStatus();
}

StatusOr<std::vector<solver::OpOutput>> ExecMounts::Commit(const CancelToken& cancel) {
  std::vector<solver::OpOutput> results;
  for (Output& output : outputs_) {
    layer::Chain chain = output.base;
    if (output.written != nullptr) {
      if (output.is_root) {
        RETURN_IF_ERROR(KeepMountPoints(output));
      }
      ASSIGN_OR_RETURN_IN(chain,
                          stores_.snapshots.Commit(std::move(output.written), output.base, cancel),
                          "keep what the step wrote");
    }
    results.push_back({.chain = std::move(chain), .base_input = output.base_input});
  }
  return results;
}

std::vector<solver::RefPtr> ExecMounts::Keep() {
  std::vector<solver::RefPtr> states = std::move(inputs_);
  for (std::vector<Output>* written : {&outputs_, &discarded_}) {
    for (Output& output : *written) {
      if (output.written != nullptr) {
        states[output.mount] = std::make_shared<WrittenRef>(
            stores_.snapshots, std::move(output.base), std::move(output.written));
      }
    }
  }
  return states;
}

}  // namespace cairn::ops
