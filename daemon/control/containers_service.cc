#include "daemon/control/containers_service.h"

#include <sys/socket.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/control/build_call.h"
#include "runtime/base/byte_tunnel.h"

namespace cairn::control {
namespace {

using ConnectCall = BidiCall<cairn::v1::ConnectRequest, cairn::v1::ConnectResponse>;

// The call once it is open.
class ConnectStream final : public DuplexStream {
 public:
  explicit ConnectStream(ConnectCall& call) : call_(call) {}

  // A caller that is gone shows in the call's cancellation, so that every end is orderly here.
  Incoming Read(std::string* chunk) override {
    if (!call_.Read(&incoming_)) {
      return Incoming::kEnd;
    }
    *chunk = std::move(*incoming_.mutable_data());
    return Incoming::kData;
  }
  bool Write(string_view data) override {
    outgoing_.set_data(data.data(), data.size());
    return call_.Write(outgoing_);
  }
  void EndWrites() override {
    outgoing_.mutable_end();
    call_.Write(outgoing_);
  }
  void Close() override { call_.BreakOff(); }

 private:
  ConnectCall& call_;
  cairn::v1::ConnectRequest incoming_;
  cairn::v1::ConnectResponse outgoing_;
};

Status Carry(GatewayBuild& build, const CancelToken& cancel, ConnectCall& call) {
  const CancelCallback on_cancel(cancel, [&call] { call.BreakOff(); });
  cairn::v1::ConnectRequest first;
  if (!call.Read(&first) || !first.has_open()) {
    return absl::InvalidArgumentError("the first message of Connect must open the connection");
  }
  const uint32_t port = first.open().port();
  if (port == 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("port ", port, " is not in 1-65535"));
  }
  ASSIGN_OR_RETURN(const auto container, build.containers().Find(first.open().container_id()));
  ASSIGN_OR_RETURN(const UniqueFd socket, container->Connect(static_cast<uint16_t>(port), cancel));
  cairn::v1::ConnectResponse opened;
  opened.mutable_opened();
  if (!call.Write(opened)) {
    return cancel.Check();
  }
  ConnectStream stream(call);
  {
    const CancelCallback shut(cancel, [&socket] { ::shutdown(socket.get(), SHUT_RDWR); });
    CarryBytes(socket.get(), stream);
  }
  return cancel.Check();
}

}  // namespace

grpc::ServerBidiReactor<cairn::v1::ConnectRequest, cairn::v1::ConnectResponse>*
ContainersService::Connect(grpc::CallbackServerContext* context) {
  return ConnectCall::Start(
      threads_, context, [this](const CallInfo& info, ConnectCall& call) -> Status {
        ASSIGN_OR_RETURN(const std::shared_ptr<GatewayBuild> build, find_build_(info));
        const BuildCall scope(*build, info.cancel);
        RETURN_IF_ERROR(scope.status());
        return Carry(*build, scope.cancel(), call);
      });
}

}  // namespace cairn::control
