#include "daemon/session/upload.h"

#include "daemon/session/call.h"
#include "proto/upload.grpc.pb.h"

namespace cairn::session {

Status PullUpload(const Session& session, string_view host, string_view path,
                  const std::function<Status(string_view data)>& write, const CancelToken& cancel) {
  Call call(session, cancel);
  call.AddMetadata("urlpath", std::string(path));
  call.AddMetadata("urlhost", std::string(host));
  auto stub = moby::upload::v1::Upload::NewStub(session.channel());
  const auto stream = stub->Pull(call.context());
  moby::upload::v1::BytesMessage message;
  Status written;
  while (written.ok() && stream->Read(&message)) {
    written = write(message.data());
  }
  if (!written.ok()) {
    call.Cancel();
  }
  const grpc::Status outcome = stream->Finish();
  return written.ok() ? call.Finish(outcome) : written;
}

}  // namespace cairn::session
