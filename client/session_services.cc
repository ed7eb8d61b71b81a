#include "client/session_services.h"

#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "client/docker_config.h"
#include "client/message_stream.h"
#include "proto/auth.grpc.pb.h"
#include "proto/health.grpc.pb.h"
#include "proto/secrets.grpc.pb.h"
#include "proto/ssh_forward.grpc.pb.h"
#include "proto/upload.grpc.pb.h"
#include "runtime/base/byte_tunnel.h"
#include "runtime/base/fd.h"

namespace cairn::client {
namespace {

constexpr uint64_t kMaxSecret = 500 << 10;
constexpr size_t kUploadChunk = 1 << 20;

grpc::Status ToGrpc(const Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

// Tokens are fetched by the daemon with these credentials; the rest of the service stays
// unimplemented.
class AuthService final : public moby::filesync::v1::Auth::Service {
 public:
  explicit AuthService(const std::string& directory) : config_(directory) {}

  grpc::Status Credentials(grpc::ServerContext*,
                           const moby::filesync::v1::CredentialsRequest* request,
                           moby::filesync::v1::CredentialsResponse* response) override {
    auto credentials = config_.Find(request->host());
    if (!credentials.ok()) {
      return ToGrpc(credentials.status());
    }
    response->set_username(credentials->username);
    response->set_secret(credentials->secret);
    return grpc::Status::OK;
  }

 private:
  const DockerConfig config_;
};

class SecretsService final : public moby::buildkit::secrets::v1::Secrets::Service {
 public:
  explicit SecretsService(const std::vector<SecretSource>& secrets) : secrets_(secrets) {}

  grpc::Status GetSecret(grpc::ServerContext*,
                         const moby::buildkit::secrets::v1::GetSecretRequest* request,
                         moby::buildkit::secrets::v1::GetSecretResponse* response) override {
    for (const SecretSource& secret : secrets_) {
      if (secret.id != request->id()) {
        continue;
      }
      if (!secret.environment.empty()) {
        const char* value = std::getenv(secret.environment.c_str());
        if (value != nullptr) {
          response->set_data(value);
          return grpc::Status::OK;
        }
        break;
      }
      auto data = ReadFile(secret.file, kMaxSecret);
      if (!data.ok()) {
        return ToGrpc(Annotate(data.status(), absl::StrCat("secret ", secret.id)));
      }
      response->set_data(*std::move(data));
      return grpc::Status::OK;
    }
    return {grpc::StatusCode::NOT_FOUND, absl::StrCat("secret ", request->id(), " not found")};
  }

 private:
  const std::vector<SecretSource> secrets_;
};

class SshService final : public moby::sshforward::v1::SSH::Service {
 public:
  explicit SshService(const std::vector<SshAgentSource>& agents) : agents_(agents) {}

  grpc::Status CheckAgent(grpc::ServerContext*,
                          const moby::sshforward::v1::CheckAgentRequest* request,
                          moby::sshforward::v1::CheckAgentResponse*) override {
    return Find(request->id()) != nullptr ? grpc::Status::OK : Unset(request->id());
  }

  grpc::Status ForwardAgent(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<moby::sshforward::v1::BytesMessage,
                               moby::sshforward::v1::BytesMessage>* stream) override {
    std::string id = "default";
    const auto entry = context->client_metadata().find("buildkit.ssh.id");
    if (entry != context->client_metadata().end()) {
      id.assign(entry->second.data(), entry->second.size());
    }
    const SshAgentSource* agent = Find(id);
    if (agent == nullptr) {
      return Unset(id);
    }
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    agent->socket.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      return ToGrpc(ErrnoStatus(errno, absl::StrCat("ssh agent ", agent->socket)));
    }
    const auto close = [context] { context->TryCancel(); };
    MessageStream<moby::sshforward::v1::BytesMessage, std::remove_reference_t<decltype(*stream)>>
        bytes(*stream, close, close);
    CarryBytes(socket.get(), bytes);
    return grpc::Status::OK;
  }

 private:
  const SshAgentSource* Find(const std::string& id) const {
    for (const SshAgentSource& agent : agents_) {
      if (agent.id == id || (id.empty() && agent.id == "default")) {
        return &agent;
      }
    }
    return nullptr;
  }

  static grpc::Status Unset(const std::string& id) {
    return {grpc::StatusCode::NOT_FOUND, absl::StrCat("unset ssh forward key ", id)};
  }

  const std::vector<SshAgentSource> agents_;
};

class UploadService final : public moby::upload::v1::Upload::Service {
 public:
  explicit UploadService(std::map<std::string, int> uploads) : uploads_(std::move(uploads)) {}

  grpc::Status Pull(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<moby::upload::v1::BytesMessage,
                                             moby::upload::v1::BytesMessage>* stream) override {
    const auto path = context->client_metadata().find("urlpath");
    const auto upload = path == context->client_metadata().end()
                            ? uploads_.end()
                            : uploads_.find(std::string(path->second.data(), path->second.size()));
    if (upload == uploads_.end()) {
      return {grpc::StatusCode::NOT_FOUND, "nothing to upload at that path"};
    }
    std::string buffer(kUploadChunk, '\0');
    for (;;) {
      const ssize_t got = ::read(upload->second, buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return ToGrpc(ErrnoStatus(errno, "read upload"));
      }
      if (got == 0) {
        return grpc::Status::OK;
      }
      moby::upload::v1::BytesMessage message;
      message.set_data(buffer.data(), static_cast<size_t>(got));
      if (!stream->Write(message)) {
        return grpc::Status::CANCELLED;
      }
    }
  }

 private:
  const std::map<std::string, int> uploads_;
};

class HealthService final : public ::grpc::health::v1::Health::Service {
 public:
  grpc::Status Check(grpc::ServerContext*, const ::grpc::health::v1::HealthCheckRequest*,
                     ::grpc::health::v1::HealthCheckResponse* response) override {
    response->set_status(::grpc::health::v1::HealthCheckResponse::SERVING);
    return grpc::Status::OK;
  }
};

}  // namespace

std::vector<std::unique_ptr<grpc::Service>> MakeSessionServices(const SessionOptions& options) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<HealthService>());
  services.push_back(std::make_unique<AuthService>(options.docker_config));
  if (!options.secrets.empty()) {
    services.push_back(std::make_unique<SecretsService>(options.secrets));
  }
  if (!options.ssh_agents.empty()) {
    services.push_back(std::make_unique<SshService>(options.ssh_agents));
  }
  if (!options.uploads.empty()) {
    services.push_back(std::make_unique<UploadService>(options.uploads));
  }
  return services;
}

}  // namespace cairn::client
