#include "daemon/session/ssh_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <list>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/session/call.h"
#include "proto/ssh_forward.grpc.pb.h"
#include "runtime/base/byte_tunnel.h"
#include "runtime/base/fd.h"
#include "runtime/base/thread_pool.h"

namespace cairn::session {
namespace {

using moby::sshforward::v1::BytesMessage;

constexpr char kIdHeader[] = "buildkit.ssh.id";
constexpr char kSocketName[] = "agent.sock";
constexpr size_t kMaxConnections = 64;

// The directory of one agent socket, removed with it.
class SocketDirectory {
 public:
  static StatusOr<std::unique_ptr<SocketDirectory>> Make(const std::string& parent) {
    std::string pattern = absl::StrCat(parent, "/ssh-XXXXXX");
    if (mkdtemp(pattern.data()) == nullptr) {
      return ErrnoStatus(errno, absl::StrCat("make a directory below ", parent));
    }
    return std::make_unique<SocketDirectory>(std::move(pattern));
  }
  explicit SocketDirectory(std::string path) : path_(std::move(path)) {}
  ~SocketDirectory() {
    unlink(socket_path().c_str());
    rmdir(path_.c_str());
  }
  SocketDirectory(const SocketDirectory&) = delete;
  SocketDirectory& operator=(const SocketDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string socket_path() const { return absl::StrCat(path_, "/", kSocketName); }

 private:
  const std::string path_;
};

StatusOr<UniqueFd> ListenIn(const SocketDirectory& directory, const SshAgentOptions& options) {
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const UniqueFd opened(open(directory.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!listener.valid() || !opened.valid()) {
    return ErrnoStatus(errno, "make a socket for the ssh agent");
  }
  // A socket address holds 107 bytes; the path through /proc is always that short.
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = absl::StrCat("/proc/self/fd/", opened.get(), "/", kSocketName);
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.get(), SOMAXCONN) != 0) {
    return ErrnoStatus(errno, absl::StrCat("listen on ", directory.socket_path()));
  }
  const int dir = opened.get();
  if (fchmodat(dir, kSocketName, options.mode, 0) != 0 ||
      chmod(directory.path().c_str(), 0711) != 0) {
    return ErrnoStatus(errno, absl::StrCat("set the mode of ", directory.socket_path()));
  }
  const bool own = options.uid == geteuid() && options.gid == getegid();
  if (!own && fchownat(dir, kSocketName, options.uid, options.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, absl::StrCat("set the owner of ", directory.socket_path()));
  }
  return listener;
}

// A ForwardAgent call as the tunnel sees it.
class AgentCall final : public DuplexStream {
 public:
  AgentCall(const Session& session, const std::string& id, const CancelToken& cancel)
      : call_(session, cancel), stub_(moby::sshforward::v1::SSH::NewStub(session.channel())) {
    call_.AddMetadata(kIdHeader, id);
    stream_ = stub_->ForwardAgent(call_.context());
  }
  // REQUIRES: its bytes are not carried any more.
  ~AgentCall() override {
    call_.Cancel();
    stream_->Finish();
  }

  Incoming Read(std::string* chunk) override {
    if (!stream_->Read(&incoming_)) {
      return Incoming::kBroken;
    }
    chunk->swap(*incoming_.mutable_data());
    return Incoming::kData;
  }
  bool Write(string_view data) override {
    outgoing_.set_data(data.data(), data.size());
    return stream_->Write(outgoing_);
  }
  void EndWrites() override { stream_->WritesDone(); }
  void Close() override { call_.Cancel(); }

 private:
  Call call_;
  const std::unique_ptr<moby::sshforward::v1::SSH::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<BytesMessage, BytesMessage>> stream_;
  BytesMessage incoming_;
  BytesMessage outgoing_;
};

// One connection of a step to the agent.
class Connection {
 public:
  Connection(const Session& session, const std::string& id, const CancelToken& cancel, UniqueFd fd)
      : fd_(std::move(fd)), call_(session, id, cancel) {
    carrier_ = StartThread("ssh-agent-io", [this] {
      CarryBytes(fd_.get(), call_);
      ended_.store(true);
    });
  }

  ~Connection() {
    call_.Close();
    shutdown(fd_.get(), SHUT_RDWR);
    carrier_.join();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool ended() const { return ended_.load(); }

 private:
  const UniqueFd fd_;
  AgentCall call_;
  std::atomic<bool> ended_{false};
  std::thread carrier_;
};

}  // namespace

Status CheckSshAgent(const Session& session, string_view id, const CancelToken& cancel) {
  moby::sshforward::v1::CheckAgentRequest request;
  request.set_id(std::string(id));
  moby::sshforward::v1::CheckAgentResponse response;
  Call call(session, cancel);
  auto stub = moby::sshforward::v1::SSH::NewStub(session.channel());
  return call.Finish(stub->CheckAgent(call.context(), request, &response));
}

class SshAgent::Server {
 public:
  Server(std::shared_ptr<Session> session, std::string id, const CancelToken& cancel,
         std::unique_ptr<SocketDirectory> directory, UniqueFd listener, UniqueFd wake)
      : session_(std::move(session)),
        id_(std::move(id)),
        cancel_(cancel),
        directory_(std::move(directory)),
        socket_path_(directory_->socket_path()),
        listener_(std::move(listener)),
        wake_(std::move(wake)) {
    thread_ = StartThread("ssh-agent", [this] { Accept(); });
  }

  ~Server() {
    const uint64_t one = 1;
    while (write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
  }

  const std::string& socket_path() const { return socket_path_; }

 private:
  void Accept() {
    std::list<Connection> connections;
    while (true) {
      pollfd fds[2] = {{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      if (poll(fds, 2, -1) < 0) {
        if (errno == EINTR) {
          continue;
        }
        return;
      }
      if (fds[0].revents != 0) {
        return;
      }
      if (fds[1].revents == 0) {
        continue;
      }
      connections.remove_if([](const Connection& connection) { return connection.ended(); });
      UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (fd.valid() && connections.size() < kMaxConnections) {
        connections.emplace_back(*session_, id_, cancel_, std::move(fd));
      }
    }
  }

  const std::shared_ptr<Session> session_;
  const std::string id_;
  const CancelToken cancel_;
  const std::unique_ptr<SocketDirectory> directory_;
  const std::string socket_path_;
  const UniqueFd listener_;
  const UniqueFd wake_;
  std::thread thread_;
};

StatusOr<std::unique_ptr<SshAgent>> SshAgent::Listen(std::shared_ptr<Session> session,
                                                     const SshAgentOptions& options,
                                                     const std::string& parent_directory,
                                                     const CancelToken& cancel) {
  ASSIGN_OR_RETURN(std::unique_ptr<SocketDirectory> directory,
                   SocketDirectory::Make(parent_directory));
  ASSIGN_OR_RETURN(UniqueFd listener, ListenIn(*directory, options));
  UniqueFd wake(eventfd(0, EFD_CLOEXEC));
  if (!wake.valid()) {
    return ErrnoStatus(errno, "make an eventfd");
  }
  auto server =
      std::make_unique<Server>(std::move(session), options.id, cancel, std::move(directory),
                               std::move(listener), std::move(wake));
  return std::unique_ptr<SshAgent>(new SshAgent(std::move(server)));
}

SshAgent::SshAgent(std::unique_ptr<Server> server) : server_(std::move(server)) {}

SshAgent::~SshAgent() = default;

const std::string& SshAgent::socket_path() const { return server_->socket_path(); }

}  // namespace cairn::session
