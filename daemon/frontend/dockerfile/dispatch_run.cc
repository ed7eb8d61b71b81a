// RUN: a process on the stage's filesystem, its mounts, secrets and limits.
#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "daemon/frontend/dockerfile/dispatch_parts.h"
#include "daemon/frontend/dockerfile/file_op.h"
#include "daemon/frontend/dockerfile/heredoc.h"
#include "daemon/frontend/dockerfile/text.h"
#include "runtime/base/go_match.h"
#include "runtime/base/path_text.h"

namespace cairn::dockerfile {
namespace {

constexpr char kScriptDirectory[] = "/dev/pipes/";
constexpr uint32_t kSecretMode = 0400;
constexpr uint32_t kAgentMode = 0600;

// A mount before it has its place among the op's inputs.
struct PendingMount {
  pb::Mount mount;  // input not set
  llb::Output source;
  bool has_output = false;
};

// The first line of a heredoc, for the vertex name.
std::string Summarize(const std::string& document) {
  const std::vector<std::string> lines = absl::StrSplit(
      absl::StrReplaceAll(absl::StripAsciiWhitespace(document), {{"\r\n", "\n"}}), '\n');
  return absl::StrCat(lines[0], lines.size() > 1 ? "..." : "");
}

class Runner {
 public:
  Runner(const Dispatched& d, RunCommand& run) : d_(d), run_(run), title_(d.command().code) {}

  Status Run() {
    // A process may read anything.
    d_.stage.paths->insert("/");
    ASSIGN_OR_RETURN(const std::vector<std::string> words, Words());
    for (const std::string& text : run_.mounts) {
      ASSIGN_OR_RETURN(RunMount mount,
                       ParseMount(text, [&](string_view word) { return Expand(d_, word); }));
      mounts_.push_back(std::move(mount));
    }
    for (size_t i = 0; i < mounts_.size(); ++i) {
      RETURN_IF_ERROR(AddMount(mounts_[i], i));
    }
    SetMeta(words);
    SetLimits();
    AddPendingMounts();
    node_->SetName(StepTitle(d_, Title()));
    SetLocation(d_.context, *node_, d_.command().location);
    node_->metadata.set_ignore_cache(d_.stage.ignores_cache);
    (*node_->metadata.mutable_description())["com.docker.dockerfile.v1.command"] =
        d_.command().code;
    SetPlatform(OpPlatform(d_.context, d_.stage), node_->op);
    node_->op.mutable_constraints();
    d_.stage.output = llb::Output{node_, 0};
    AddHistory(d_, absl::StrCat("RUN ", HistoryText(words)), true, true);
    return absl::OkStatus();
  }

 private:
  pb::ExecOp& exec() { return *node_->op.mutable_exec(); }

  // What is executed. A heredoc that is the whole command is a script for the shell, or with "#!" a
  // program of its own.
  StatusOr<std::vector<std::string>> Words() {
    std::vector<std::string> words = run_.line.words;
    if (!run_.line.files.empty()) {
      if (words.size() != 1 || !run_.line.prepend_shell) {
        return Error(absl::StrCat("parsing produced an invalid run command: [",
                                  absl::StrJoin(words, " "), "]"));
      }
      const StatusOr<std::optional<Heredoc>> heredoc = ParseHeredoc(words[0]);
      if (heredoc.ok() && heredoc->has_value()) {
        const ShellFile& file = run_.line.files[0];
        const std::string data = file.strips_tabs ? StripLeadingTabs(file.data) : file.data;
        absl::StrAppend(&title_, " (", Summarize(file.data), ")");
        if (d_.stage.image.platform.os != "windows" && absl::StartsWith(data, "#!")) {
          words = {MountScript(file.name, data)};
        } else {
          words = {data};
        }
      } else {
        // The shell reads the heredocs itself.
        for (const ShellFile& file : run_.line.files) {
          absl::StrAppend(&words[0], "\n", file.data, file.name);
        }
      }
    }
    return run_.line.prepend_shell ? WithShell(d_.stage.image, words) : words;
  }

  // Makes `data` an executable file; returns its path.
  std::string MountScript(const std::string& name, const std::string& data) {
    PendingMount pending;
    pending.source = InlineFileOutput(name, data, 0755);
    pending.mount.set_dest(kScriptDirectory);
    pending.mount.set_selector("/");
    pending.mount.set_readonly(true);
    pending_.push_back(std::move(pending));
    node_->AddCapability("exec.mount.selector");
    return JoinPath(kScriptDirectory, name);
  }

  Status AddMount(RunMount& mount, size_t index) {
    if (mount.type == MountType::kSecret) {
      return AddSecret(mount);
    }
    if (mount.type == MountType::kSsh) {
      return AddAgent(mount);
    }
    const bool from_context = mount.from.empty() && mount.type != MountType::kCache;
    StageState* source = d_.entry.sources[index];
    if (!from_context && !source->is_dispatched) {
      return Error(absl::StrCat("cannot mount from stage ", Quote(mount.from), " to ",
                                Quote(mount.target),
                                ", stage needs to be defined before current command"));
    }
    PendingMount pending;
    pending.source = from_context ? d_.context.build_context.output : source->output;
    pending.mount.set_readonly(mount.read_only);
    const std::string target = absl::StartsWith(CleanPath(mount.target), "/")
                                   ? mount.target
                                   : JoinPath(JoinPath("/", d_.stage.working_dir), mount.target);
    if (target == "/") {
      return Error(absl::StrCat("invalid mount target ", Quote(target)));
    }
    pending.mount.set_dest(target);
    if (mount.type == MountType::kTmpfs) {
      pending.source = llb::Output();
      SetTmpfs(mount, pending.mount);
    } else if (mount.type == MountType::kCache) {
      SetCache(mount, pending.mount);
    } else {
      node_->AddCapability("exec.mount.bind");
      if (!mount.read_only) {
        node_->AddCapability("exec.mount.bind.readwrite-nooutput");
      }
    }
    SelectPath(mount, pending);
    pending_.push_back(std::move(pending));
    std::set<std::string>& used = from_context ? d_.stage.context_paths : *source->paths;
    used.insert(JoinPath("/", mount.source));
    return absl::OkStatus();
  }

  void SetTmpfs(const RunMount& mount, pb::Mount& message) {
    message.set_mounttype(pb::TMPFS);
    message.mutable_tmpfsopt()->set_size(mount.size_limit);
    node_->AddCapability("exec.mount.tmpfs");
    if (mount.size_limit > 0) {
      node_->AddCapability("exec.mount.tmpfs.size");
    }
  }

  void SetCache(const RunMount& mount, pb::Mount& message) {
    message.set_mounttype(pb::CACHE);
    message.mutable_cacheopt()->set_id(
        absl::StrCat(d_.context.options.build.cache_mount_namespace, "/",
                     mount.id.empty() ? CleanPath(mount.target) : mount.id));
    message.mutable_cacheopt()->set_sharing(mount.sharing == CacheSharing::kPrivate  ? pb::PRIVATE
                                            : mount.sharing == CacheSharing::kLocked ? pb::LOCKED
                                                                                     : pb::SHARED);
    node_->AddCapability("exec.mount.cache");
    node_->AddCapability("exec.mount.cache.sharing");
  }

  // The part of the source that is mounted; or for a cache of given ownership, a directory made so.
  void SelectPath(const RunMount& mount, PendingMount& pending) {
    const std::string path = JoinPath("/", mount.source);
    if (path != "/") {
      pending.mount.set_selector(path);
    } else if (mount.uid.has_value() || mount.gid.has_value() || mount.mode.has_value()) {
      FileOp file(pending.source);
      pb::FileActionMkDir* make = file.Add()->mutable_mkdir();
      make->set_path("/cache");
      make->set_mode(static_cast<int32_t>(mount.mode.value_or(0755) & 0777));
      make->set_timestamp(-1);
      make->mutable_owner()->mutable_user()->set_byid(mount.uid.value_or(0));
      make->mutable_owner()->mutable_group()->set_byid(mount.gid.value_or(0));
      file.node().SetName("[internal] setting cache mount permissions");
      pending.source = file.Finish();
      pending.mount.set_selector("/cache");
    }
    if (!pending.mount.selector().empty()) {
      node_->AddCapability("exec.mount.selector");
    }
  }

  Status AddSecret(const RunMount& mount) {
    std::string id = mount.source.empty() ? mount.id : mount.source;
    if (id.empty()) {
      if (mount.target.empty()) {
        return Error("one of source, target required");
      }
      id = BaseName(mount.target);
    }
    RememberMount(d_.stage.outline.secrets, id, mount.required);
    node_->AddCapability("exec.mount.secret");
    if (mount.env.has_value()) {
      pb::SecretEnv* env = exec().add_secretenv();
      env->set_id(id);
      env->set_name(mount.env->empty() ? id : *mount.env);
      env->set_optional(!mount.required);
      node_->AddCapability("exec.secretenv");
      if (mount.target.empty()) {
        return absl::OkStatus();
      }
    }
    pb::Mount secret;
    secret.set_input(-1);
    secret.set_mounttype(pb::SECRET);
    secret.set_dest(mount.target.empty() ? absl::StrCat("/run/secrets/", BaseName(CleanPath(id)))
                                         : mount.target);
    pb::SecretOpt* options = secret.mutable_secretopt();
    options->set_id(id);
    options->set_uid(mount.uid.value_or(0));
    options->set_gid(mount.gid.value_or(0));
    options->set_mode(mount.mode.value_or(kSecretMode));
    options->set_optional(!mount.required);
    secrets_.push_back(std::move(secret));
    return absl::OkStatus();
  }

  Status AddAgent(const RunMount& mount) {
    if (!mount.source.empty()) {
      return Error("ssh does not support source");
    }
    RememberMount(d_.stage.outline.ssh, mount.id.empty() ? "default" : mount.id, mount.required);
    node_->AddCapability("exec.mount.ssh");
    pb::Mount agent;
    agent.set_input(-1);
    agent.set_mounttype(pb::SSH);
    agent.set_dest(mount.target.empty() ? absl::StrCat("/run/buildkit/ssh_agent.", agents_.size())
                                        : mount.target);
    pb::SSHOpt* options = agent.mutable_sshopt();
    options->set_id(mount.id);
    options->set_uid(mount.uid.value_or(0));
    options->set_gid(mount.gid.value_or(0));
    options->set_mode(mount.mode.value_or(kAgentMode));
    options->set_optional(!mount.required);
    agents_.push_back(std::move(agent));
    return absl::OkStatus();
  }

  void RememberMount(std::map<std::string, OutlineMount>& mounts, const std::string& id,
                     bool required) {
    mounts.try_emplace(id, OutlineMount{id, required, d_.command().location});
  }

  void SetMeta(const std::vector<std::string>& words) {
    const BuildOptions& options = d_.context.options.build;
    pb::Meta& meta = *exec().mutable_meta();
    meta.mutable_args()->Assign(words.begin(), words.end());
    Environment environment = d_.stage.environment;
    if (!agents_.empty() && !environment.Has("SSH_AUTH_SOCK")) {
      environment.Set("SSH_AUTH_SOCK", agents_[0].dest());
    }
    const std::vector<std::string> env = environment.ToList();
    meta.mutable_env()->Assign(env.begin(), env.end());
    meta.set_cwd(d_.stage.working_dir.empty() ? "/" : d_.stage.working_dir);
    meta.set_user(d_.stage.user);
    meta.set_hostname(options.hostname);
    meta.set_removemountstubsrecursive(true);
    if (d_.context.proxy.has_value()) {
      *meta.mutable_proxy_env() = *d_.context.proxy;
      node_->AddCapability("exec.meta.proxyenv");
    }
    for (const auto& [host, address] : options.extra_hosts) {
      pb::HostIP* entry = meta.add_extrahosts();
      entry->set_host(host);
      entry->set_ip(address);
    }
    exec().set_network(run_.network == "none"   ? pb::NONE
                       : run_.network == "host" ? pb::HOST
                                                : options.network);
    if (exec().network() != pb::UNSET) {
      node_->AddCapability("exec.meta.network");
    }
    if (run_.security == "insecure") {
      exec().set_security(pb::INSECURE);
      node_->AddCapability("exec.meta.security");
    }
    node_->AddCapability("exec.meta.base");
    node_->AddCapability("exec.meta.setsdefaultpath");
  }

  void SetLimits() {
    const BuildOptions& options = d_.context.options.build;
    for (const pb::Ulimit& limit : options.ulimits) {
      *exec().mutable_meta()->add_ulimit() = limit;
      node_->AddCapability("exec.meta.ulimit");
    }
    for (const RunDevice& device : run_.devices) {
      pb::CDIDevice* message = exec().add_cdidevices();
      message->set_name(device.name);
      message->set_optional(!device.required);
      node_->AddCapability("exec.meta.cdi");
    }
    if (options.shm_size > 0) {
      PendingMount shm;
      shm.mount.set_dest("/dev/shm");
      shm.mount.set_mounttype(pb::TMPFS);
      shm.mount.mutable_tmpfsopt()->set_size(options.shm_size);
      node_->AddCapability("exec.mount.tmpfs");
      node_->AddCapability("exec.mount.tmpfs.size");
      pending_.push_back(std::move(shm));
    }
    if (!options.cgroup_parent.empty()) {
      exec().mutable_meta()->set_cgroupparent(options.cgroup_parent);
      node_->AddCapability("exec.meta.cgroup.parent");
    }
    if (options.resources.has_value()) {
      *node_->metadata.mutable_linux_resources() = *options.resources;
      node_->AddCapability("exec.meta.linux.resources");
    }
  }

  // Root first (its target sorts first), then by target; secrets and agents come last.
  void AddPendingMounts() {
    PendingMount root;
    root.mount.set_dest("/");
    root.source = d_.stage.output;
    root.has_output = true;
    pending_.push_back(std::move(root));
    std::stable_sort(pending_.begin(), pending_.end(),
                     [](const PendingMount& a, const PendingMount& b) {
                       return a.mount.dest() < b.mount.dest();
                     });
    for (PendingMount& pending : pending_) {
      pending.mount.set_input(node_->AddInput(pending.source));
      pending.mount.set_output(pending.has_output ? 0 : -1);
      *exec().add_mounts() = std::move(pending.mount);
    }
    for (const std::vector<pb::Mount>* mounts : {&secrets_, &agents_}) {
      for (const pb::Mount& mount : *mounts) {
        *exec().add_mounts() = mount;
      }
    }
  }

  // The instruction with its variables, except those that hold secrets.
  std::string Title() const {
    Environment environment = d_.stage.environment;
    for (const RunMount& mount : mounts_) {
      if (mount.type == MountType::kSecret && mount.env.has_value()) {
        environment.Set(*mount.env, "****");
      }
    }
    LexOptions lex = d_.context.lex;
    lex.raw_quotes = true;
    lex.keep_unset = true;
    return TitleText(title_, environment, lex);
  }

  // "|2 A=x B=y /bin/sh -c make": the arguments that were declared, then the command.
  std::string HistoryText(const std::vector<std::string>& words) const {
    Environment arguments;
    std::vector<std::string> order;
    for (const ArgDefinition& arg : d_.stage.build_args) {
      if (!arguments.Has(arg.key)) {
        order.push_back(arg.key);
      }
      arguments.Set(arg.key, d_.stage.environment.Get(arg.key).value_or(arg.value.value_or("")));
    }
    std::string text;
    if (!order.empty()) {
      text = absl::StrCat("|", order.size(), " ");
      for (const std::string& key : order) {
        absl::StrAppend(&text, key, "=", *arguments.Get(key), " ");
      }
    }
    return absl::StrCat(text, absl::StrJoin(words, " "));
  }

  const Dispatched& d_;
  RunCommand& run_;
  std::string title_;
  std::shared_ptr<llb::Node> node_ = std::make_shared<llb::Node>();
  std::vector<RunMount> mounts_;
  std::vector<PendingMount> pending_;
  std::vector<pb::Mount> secrets_;
  std::vector<pb::Mount> agents_;
};

}  // namespace

Status DispatchRun(const Dispatched& d, RunCommand& run) { return Runner(d, run).Run(); }

}  // namespace cairn::dockerfile
