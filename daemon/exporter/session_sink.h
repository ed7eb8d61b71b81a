// SessionSink: a tar on its way to the client (FileSend), as a ByteSink.
#pragma once

#include <memory>

#include "daemon/session/file_send.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::exporter {

class SessionSink final : public fs::ByteSink {
 public:
  static StatusOr<std::unique_ptr<SessionSink>> Open(std::shared_ptr<session::Session> session,
                                                     const session::FileSendRequest& request,
                                                     const CancelToken& cancel);

  Status Write(string_view data) override;

  // Ends the stream after writing it went as `written` says. A client that has this result already
  // says so, which is as good. The client's reason counts more than a broken stream.
  Status FinishWith(const Status& written);

 private:
  explicit SessionSink(std::unique_ptr<session::StreamUpload> upload)
      : upload_(std::move(upload)) {}

  std::unique_ptr<session::StreamUpload> upload_;
  bool broken_ = false;  // Write failed: Finish knows why
};

}  // namespace cairn::exporter
