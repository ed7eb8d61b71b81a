#include "client/connection.h"

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/render_error.h"
#include "proto/control.grpc.pb.h"
#include "runtime/base/fd.h"

namespace cairn::client {
namespace {

constexpr char kDefaultAddress[] = "unix:///run/cairn/cairnd.sock";
constexpr int kMaxMessage = 16 << 20;
// Errors carry the Dockerfile and its source ranges in trailers, far beyond gRPC's default of 8
// KiB.
constexpr int kMaxMetadata = 4 << 20;

std::string AddressFromEnvironment() {
  for (const char* name : {"CAIRN_HOST", "BUILDKIT_HOST"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') {
      return value;
    }
  }
  return kDefaultAddress;
}

// gRPC's name of `address`: unix:/path or host:port.
StatusOr<std::string> TargetOf(const std::string& address) {
  string_view rest = address;
  if (absl::ConsumePrefix(&rest, "unix://")) {
    return absl::StrCat("unix:", rest);
  }
  if (absl::ConsumePrefix(&rest, "tcp://")) {
    return std::string(rest);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("address \"", address, "\": want unix:///path or tcp://host:port"));
}

StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(
    const ConnectionOptions& options) {
  if (options.ca_file.empty() && options.certificate_file.empty() && options.key_file.empty()) {
    return grpc::InsecureChannelCredentials();
  }
  if (options.certificate_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError("--tlscert and --tlskey go together: give both or none");
  }
  grpc::SslCredentialsOptions ssl;
  if (!options.ca_file.empty()) {
    ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadFile(options.ca_file));
  }
  if (!options.certificate_file.empty()) {
    ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadFile(options.certificate_file));
    ASSIGN_OR_RETURN(ssl.pem_private_key, ReadFile(options.key_file));
  }
  return grpc::SslCredentials(ssl);
}

}  // namespace

Connection::Connection(std::string address, ConnectionOptions options,
                       std::shared_ptr<grpc::Channel> channel)
    : address_(std::move(address)), options_(std::move(options)), channel_(std::move(channel)) {}

StatusOr<std::unique_ptr<Connection>> Connection::Open(const ConnectionOptions& options) {
  const std::string address = options.address.empty() ? AddressFromEnvironment() : options.address;
  ASSIGN_OR_RETURN(const std::string target, TargetOf(address));
  ASSIGN_OR_RETURN(auto credentials, CredentialsOf(options));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessage);
  arguments.SetMaxSendMessageSize(kMaxMessage);
  arguments.SetInt(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadata);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Each channel connects by itself: one that is made anew starts without another's back-off.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
  if (!options.server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.server_name);
  }
  return std::unique_ptr<Connection>(
      new Connection(address, options, grpc::CreateCustomChannel(target, credentials, arguments)));
}

Status Connection::WaitReady(absl::Duration timeout, const CancelToken& cancel) {
  const absl::Time deadline = absl::Now() + timeout;
  for (;;) {
    const auto stub = moby::buildkit::v1::Control::NewStub(channel_);
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(deadline));
    moby::buildkit::v1::InfoResponse response;
    const grpc::Status status = stub->Info(&context, {}, &response);
    if (status.ok()) {
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(cancel.Check());
    if (absl::Now() >= deadline) {
      return Annotate(FromDaemon(status), absl::StrCat("wait for ", address_));
    }
    cancel.WaitFor(std::min(absl::Milliseconds(20), deadline - absl::Now()));
    // A channel that failed once waits for seconds before it tries again; a new one does not.
    ASSIGN_OR_RETURN(const auto fresh, Open(options_));
    channel_ = fresh->channel();
  }
}

}  // namespace cairn::client
