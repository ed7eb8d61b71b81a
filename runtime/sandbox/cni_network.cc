#include "runtime/sandbox/cni_network.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "runtime/base/random_id.h"
#include "runtime/base/subprocess.h"
#include "runtime/base/thread_pool.h"

namespace cairn::sandbox {
namespace {

using Json = nlohmann::json;

constexpr char kInterface[] = "eth0";
constexpr absl::Duration kPluginGrace = absl::Seconds(5);

bool BringLoopbackUp() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  return socket.valid() && ::ioctl(socket.get(), SIOCSIFFLAGS, &request) == 0;
}

// A new network namespace. It is made by a thread of its own, which ends with it.
StatusOr<UniqueFd> MakeNamespace() {
  Status status;
  UniqueFd made;
  std::thread maker = StartThread("sandbox-netns", [&status, &made] {
    if (::unshare(CLONE_NEWNET) != 0 || !BringLoopbackUp()) {
      status = ErrnoStatus(errno, "make network namespace");
      return;
    }
    made.Reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!made.valid()) {
      status = ErrnoStatus(errno, "open network namespace");
    }
  });
  maker.join();
  RETURN_IF_ERROR(status);
  return made;
}

std::string StringOr(const Json& object, const char* key, const char* fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : fallback;
}

}  // namespace

class CniNetwork::Attachment final : public NetworkAttachment {
 public:
  Attachment(CniNetwork& owner, std::string id, std::string hostname, UniqueFd network_namespace)
      : owner_(owner),
        id(std::move(id)),
        hostname(std::move(hostname)),
        namespace_(std::move(network_namespace)) {}
  ~Attachment() override { owner_.Remove(*this); }

  int network_namespace() const override { return namespace_.get(); }
  // Plugins open the namespace by this path, which is valid while the attachment lives. Empty when
  // the namespace is gone, which a DEL may be told (CNI specification 1.0, section 2).
  std::string path() const {
    return namespace_.valid() ? absl::StrCat("/proc/", ::getpid(), "/fd/", namespace_.get()) : "";
  }

 private:
  CniNetwork& owner_;

 public:
  const std::string id;
  const std::string hostname;
  // The last plugin's result, and how many plugins have run.
  std::string result;
  size_t added = 0;

 private:
  const UniqueFd namespace_;
};

CniNetwork::CniNetwork(NetworkOptions options, CniRecords records)
    : options_(std::move(options)), records_(std::move(records)) {}

StatusOr<std::unique_ptr<CniNetwork>> CniNetwork::Create(const NetworkOptions& options) {
  ASSIGN_OR_RETURN_IN(const std::string text, ReadFile(options.cni_config), "CNI configuration");
  const Json config = Json::parse(text, nullptr, false);
  if (!config.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("CNI configuration ", options.cni_config, " is not a JSON object"));
  }
  ASSIGN_OR_RETURN(CniRecords records, CniRecords::Open(options.record_directory));
  std::unique_ptr<CniNetwork> network(new CniNetwork(options, std::move(records)));
  Json chain = Json::array({config});
  if (config.contains("plugins") && config["plugins"].is_array()) {
    chain = config["plugins"];
  }
  for (Json plugin : chain) {
    const std::string type = plugin.is_object() ? StringOr(plugin, "type", "") : "";
    if (type.empty() || type.find('/') != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("CNI configuration ", options.cni_config, " has a plugin without a type"));
    }
    plugin["name"] = StringOr(config, "name", "buildkit");
    plugin["cniVersion"] = StringOr(config, "cniVersion", "0.3.1");
    const std::string program = absl::StrCat(options.cni_binary_directory, "/", type);
    if (::access(program.c_str(), X_OK) != 0) {
      return ErrnoStatus(errno, absl::StrCat("CNI plugin ", program));
    }
    network->plugins_.push_back({program, plugin.dump()});
  }
  network->RemoveLeftovers();
  if (options.cni_pool_size > 0) {
    CniNetwork* filled = network.get();
    network->filler_ = StartThread("sandbox-cni", [filled] { filled->FillPool(); });
  }
  return network;
}

CniNetwork::~CniNetwork() {
  std::deque<std::unique_ptr<Attachment>> ready;
  {
    // A plugin that is killed half-way may have processes of its own that work on after the DEL, so
    // the one at work gets time to end.
    const absl::Time deadline = absl::Now() + kPluginGrace;
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
    while (filling_ && absl::Now() < deadline) {
      changed_.WaitFor(mu_, deadline - absl::Now());
    }
  }
  stop_.Cancel();
  if (filler_.joinable()) {
    filler_.join();
  }
  {
    MutexLock lock(mu_);
    ready.swap(ready_);
  }
}

StatusOr<std::unique_ptr<NetworkAttachment>> CniNetwork::Attach(const std::string& hostname,
                                                                const CancelToken& cancel) {
  if (hostname.empty()) {
    MutexLock lock(mu_);
    if (!ready_.empty()) {
      std::unique_ptr<NetworkAttachment> attachment = std::move(ready_.front());
      ready_.pop_front();
      changed_.NotifyAll();
      return attachment;
    }
  }
  ASSIGN_OR_RETURN_IN(std::unique_ptr<Attachment> attachment, MakeAttachment(hostname, cancel),
                      "CNI setup error");
  return attachment;
}

StatusOr<std::unique_ptr<CniNetwork::Attachment>> CniNetwork::MakeAttachment(
    const std::string& hostname, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(UniqueFd made, MakeNamespace());
  // Plugins keep addresses by this name, also those of other daemons and of dead ones.
  const std::string id = absl::StrCat("cairn-", RandomId());
  RETURN_IF_ERROR(records_.Put({.id = id, .hostname = hostname, .result = ""}));
  auto attachment = std::make_unique<Attachment>(*this, id, hostname, std::move(made));
  for (const Plugin& plugin : plugins_) {
    ++attachment->added;
    ASSIGN_OR_RETURN(attachment->result,
                     RunPlugin(plugin, "ADD", *attachment, attachment->result, cancel));
  }
  RETURN_IF_ERROR(records_.Put({.id = id, .hostname = hostname, .result = attachment->result}));
  return attachment;
}

void CniNetwork::RemoveLeftovers() {
  for (CniRecords::Record& record : records_.List()) {
    Attachment attachment(*this, std::move(record.id), std::move(record.hostname), UniqueFd());
    attachment.result = std::move(record.result);
    attachment.added = plugins_.size();
  }
}

StatusOr<std::string> CniNetwork::RunPlugin(const Plugin& plugin, const char* command,
                                            const Attachment& attachment,
                                            const std::string& previous,
                                            const CancelToken& cancel) const {
  Json config = Json::parse(plugin.config);
  const Json result = Json::parse(previous, nullptr, false);
  if (result.is_object()) {
    config["prevResult"] = result;
  }
  SubprocessOptions run;
  run.argv = {plugin.program};
  run.environment = std::vector<std::string>{
      absl::StrCat("CNI_COMMAND=", command),
      absl::StrCat("CNI_CONTAINERID=", attachment.id),
      absl::StrCat("CNI_NETNS=", attachment.path()),
      absl::StrCat("CNI_IFNAME=", kInterface),
      absl::StrCat("CNI_PATH=", options_.cni_binary_directory),
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  };
  if (!attachment.hostname.empty()) {
    run.environment->push_back(
        absl::StrCat("CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=", attachment.hostname));
  }
  ASSIGN_OR_RETURN(CommandOutput output, RunCommand(run, config.dump(), cancel));
  if (output.exit_code != 0) {
    const Json error = Json::parse(output.out, nullptr, false);
    const std::string text = error.is_object() ? StringOr(error, "msg", "") : output.err;
    return absl::UnknownError(absl::StrCat("plugin ", plugin.program, " ", command, ": ",
                                           absl::StripAsciiWhitespace(text)));
  }
  return output.out;
}

void CniNetwork::Remove(Attachment& attachment) const {
  while (attachment.added > 0) {
    // The namespace goes away whatever a plugin says; DEL returns addresses and host interfaces.
    RunPlugin(plugins_[--attachment.added], "DEL", attachment, attachment.result, CancelToken())
        .status()
        .IgnoreError();
  }
  records_.Remove(attachment.id);
}

void CniNetwork::FillPool() {
  for (;;) {
    {
      MutexLock lock(mu_);
      while (!stopping_ && ready_.size() >= static_cast<size_t>(options_.cni_pool_size)) {
        changed_.Wait(mu_);
      }
      if (stopping_) {
        return;
      }
      filling_ = true;
    }
    StatusOr<std::unique_ptr<Attachment>> made = MakeAttachment("", stop_.token());
    MutexLock lock(mu_);
    filling_ = false;
    changed_.NotifyAll();
    if (!made.ok() && !stopping_) {
      // Whoever needs a network makes its own and gets to see the reason.
      changed_.WaitFor(mu_, absl::Seconds(5));
      continue;
    }
    if (made.ok()) {
      ready_.push_back(std::move(*made));
    }
  }
}

}  // namespace cairn::sandbox
