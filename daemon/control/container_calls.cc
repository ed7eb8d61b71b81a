#include "daemon/control/container_calls.h"

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/llb/errors.h"
#include "daemon/solver/solver.h"
#include "proto/rpc_status.pb.h"
#include "runtime/base/thread_pool.h"

namespace cairn::control {
namespace {

constexpr uint32_t kUnknownStatus = 255;

using Stream = BidiCall<gateway::ExecMessage, gateway::ExecMessage>;

// Messages of several threads, one at a time.
class Writer {
 public:
  explicit Writer(Stream& stream) : stream_(stream) {}

  void Write(const gateway::ExecMessage& message) {
    MutexLock lock(mu_);  // what the lock is for
    stream_.Write(message);
  }

 private:
  Stream& stream_;
  Mutex mu_;
};

// One process of the stream.
class StreamedProcess {
 public:
  StreamedProcess(std::string id, Writer& writer) : id_(std::move(id)), writer_(writer) {}
  ~StreamedProcess() {
    cancel_.Cancel();
    if (waiter_.joinable()) {
      waiter_.join();
    }
  }

  // Starts it and says so; its output follows. One that cannot be started is reported as started
  // and ended: clients wait for the first and take errors from the second.
  void Start(ops::GatewayContainer& container, const gateway::InitMessage& init,
             const CancelToken& cancel) {
    const Status started = TryStart(container, init, cancel);
    if (!started.ok()) {
      Fail(started);
    }
  }

  // Reports a process that never ran.
  void Fail(const Status& reason) {
    SendStarted(/*never_ran=*/true);
    SendEnd(reason);
  }

  Status Handle(const gateway::ExecMessage& message) {
    if (process_ == nullptr) {
      return absl::OkStatus();  // it has ended, which the client may not know yet
    }
    if (message.has_file()) {
      if (message.file().eof()) {
        process_->CloseInput();
      } else {
        // A process that does not read its input is no error.
        process_->WriteInput(message.file().data()).IgnoreError();
      }
    } else if (message.has_resize()) {
      process_
          ->Resize(static_cast<uint16_t>(message.resize().rows()),
                   static_cast<uint16_t>(message.resize().cols()))
          .IgnoreError();
    } else if (message.has_signal()) {
      const Status sent = process_->Signal(message.signal().name());
      return absl::IsInvalidArgument(sent) ? sent : absl::OkStatus();
    }
    return absl::OkStatus();
  }

 private:
  Status TryStart(ops::GatewayContainer& container, const gateway::InitMessage& init,
                  const CancelToken& cancel) {
    ops::GatewayContainer::ProcessOptions options{
        .meta = init.meta(), .security = init.security(), .terminal = init.tty()};
    options.secrets.assign(init.secretenv().begin(), init.secretenv().end());
    for (const uint32_t fd : init.fds()) {
      wanted_[fd < 3 ? fd : 0] = true;
    }
    options.output = [this](int stream, string_view data) { SendOutput(stream, data); };
    ASSIGN_OR_RETURN(process_, container.Start(std::move(options), cancel));
    if (!wanted_[0]) {
      process_->CloseInput();
    }
    SendStarted(/*never_ran=*/false);
    SendEarly();
    waiter_ = StartThread("gateway-exec", [this] { SendEnd(process_->Wait(cancel_.token())); });
    return absl::OkStatus();
  }

  gateway::ExecMessage Message() const {
    gateway::ExecMessage message;
    message.set_processid(id_);
    return message;
  }

  void SendStarted(bool never_ran) {
    gateway::ExecMessage started = Message();
    started.mutable_started()->set_never_ran(never_ran);
    writer_.Write(started);
  }

  // Called by the thread that reads the process's output, also before Start has returned: then it
  // must not wait, as a process that fails to start waits for that thread.
  void SendOutput(int stream, string_view data) {
    if (!wanted_[stream]) {
      return;
    }
    gateway::ExecMessage message = Message();
    message.mutable_file()->set_fd(static_cast<uint32_t>(stream));
    if (data.empty()) {
      message.mutable_file()->set_eof(true);
    } else {
      message.mutable_file()->set_data(data.data(), data.size());
    }
    {
      MutexLock lock(mu_);
      if (!started_) {
        early_.push_back(std::move(message));
        return;
      }
    }
    writer_.Write(message);
  }

  // Sends what came before Started; what comes later is sent as it comes.
  void SendEarly() {
    while (true) {
      std::vector<gateway::ExecMessage> early;
      {
        MutexLock lock(mu_);
        early.swap(early_);
        started_ = early.empty();
      }
      if (early.empty()) {
        return;
      }
      for (const gateway::ExecMessage& message : early) {
        writer_.Write(message);
      }
    }
  }

  void SendEnd(const Status& status) {
    gateway::ExecMessage exit = Message();
    exit.mutable_exit();
    if (!status.ok()) {
      exit.mutable_exit()->set_code(llb::ExitCodeOf(status).value_or(kUnknownStatus));
      *exit.mutable_exit()->mutable_error() = EncodeRpcStatus(status);
    }
    writer_.Write(exit);
    gateway::ExecMessage done = Message();
    done.mutable_done();
    writer_.Write(done);
  }

  const std::string id_;
  Writer& writer_;
  CancelSource cancel_;
  bool wanted_[3] = {};
  Mutex mu_;
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<gateway::ExecMessage> early_ ABSL_GUARDED_BY(mu_);  // from before Started
  std::unique_ptr<ops::GatewayProcess> process_;
  std::thread waiter_;
};

}  // namespace

Status CallNewContainer(GatewayBuild& build, const ops::ExecEnvironment& environment,
                        const gateway::NewContainerRequest& request, const CancelToken& cancel) {
  solver::Job* job = build.bridge().job();
  if (job == nullptr) {
    return absl::FailedPreconditionError("this build has no containers");
  }
  ops::GatewayContainer::Options options{.os = request.platform().os(),
                                         .network = request.network(),
                                         .hostname = request.hostname(),
                                         .sessions = job->sessions(),
                                         .entitlements = job->entitlements()};
  options.extra_hosts.assign(request.extrahosts().begin(), request.extrahosts().end());
  for (const pb::Mount& wanted : request.mounts()) {
    pb::Mount& mount = *options.mounts.Add();
    mount = wanted;
    mount.set_input(-1);
    mount.set_output(-1);
    ASSIGN_OR_RETURN_IN(const solver::RefPtr ref, build.FindRef(wanted.resultid()),
                        absl::StrCat("failed to find ref for \"", wanted.dest(), "\" mount"));
    if (ref != nullptr) {
      ASSIGN_OR_RETURN(layer::Chain chain, ref->Evaluate(cancel));
      mount.set_input(static_cast<int64_t>(options.inputs.size()));
      options.inputs.push_back(std::move(chain));
    }
  }
  ASSIGN_OR_RETURN(auto container, ops::GatewayContainer::Create(environment, std::move(options),
                                                                 job->lease(), cancel));
  return build.containers().Add(request.containerid(), std::move(container));
}

Status CallExecProcess(GatewayBuild& build, const CancelToken& cancel, Stream& stream) {
  const CancelCallback on_cancel(cancel, [&stream] { stream.BreakOff(); });
  Writer writer(stream);
  std::map<std::string, std::unique_ptr<StreamedProcess>> processes;
  gateway::ExecMessage message;
  while (stream.Read(&message)) {
    const std::string& id = message.processid();
    if (id.empty()) {
      return absl::InvalidArgumentError("ProcessID required");
    }
    const auto known = processes.find(id);
    if (message.has_init()) {
      if (known != processes.end()) {
        return absl::AlreadyExistsError(absl::StrCat("Process ", id, " already exists"));
      }
      const auto container = build.containers().Find(message.init().containerid());
      auto process = std::make_unique<StreamedProcess>(id, writer);
      if (container.ok()) {
        process->Start(**container, message.init(), cancel);
      } else {
        process->Fail(container.status());
      }
      processes.emplace(id, std::move(process));
      continue;
    }
    if (known == processes.end()) {
      return absl::NotFoundError(absl::StrCat("IO for process \"", id, "\" not found"));
    }
    RETURN_IF_ERROR(known->second->Handle(message));
  }
  return cancel.Check();
}

}  // namespace cairn::control
