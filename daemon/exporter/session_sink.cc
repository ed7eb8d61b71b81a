#include "daemon/exporter/session_sink.h"

namespace cairn::exporter {

StatusOr<std::unique_ptr<SessionSink>> SessionSink::Open(std::shared_ptr<session::Session> session,
                                                         const session::FileSendRequest& request,
                                                         const CancelToken& cancel) {
  ASSIGN_OR_RETURN(std::unique_ptr<session::StreamUpload> upload,
                   session::StreamUpload::Open(std::move(session), request, cancel));
  return std::unique_ptr<SessionSink>(new SessionSink(std::move(upload)));
}

Status SessionSink::Write(string_view data) {
  const Status status = upload_->Write(data);
  broken_ = broken_ || !status.ok();
  return status;
}

Status SessionSink::FinishWith(const Status& written) {
  if (!written.ok() && !broken_) {
    return written;  // dropping the upload breaks it off
  }
  const Status finished = upload_->Finish();
  if (absl::IsAlreadyExists(finished)) {
    return absl::OkStatus();
  }
  return finished.ok() ? written : finished;
}

}  // namespace cairn::exporter
