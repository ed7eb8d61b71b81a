#include "daemon/session/context_sync.h"

#include <grpcpp/support/sync_stream.h>

#include <memory>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "daemon/session/call.h"
#include "daemon/session/entry_intake.h"
#include "proto/context_sync.grpc.pb.h"

namespace cairn::session {
namespace {

using v1::SyncReply;
using v1::SyncRequest;
using SyncStream = grpc::ClientReaderWriter<SyncRequest, SyncReply>;

// The receiving side of one transfer. Requests are written by the thread that reads: the client
// reads them on a thread of their own, whatever it has to send.
class ContextReceiver {
 public:
  ContextReceiver(const FileSyncRequest& request, FileSyncSink& sink, SyncStream& stream)
      : request_(request), sink_(sink), stream_(stream), intake_(request, sink) {}

  // Until the end of the stream. An error means that the call must be cancelled.
  Status Run() {
    SyncReply reply;
    while (stream_.Read(&reply)) {
      result_.bytes += reply.ByteSizeLong();
      if (request_.on_progress) {
        request_.on_progress(result_.bytes);
      }
      RETURN_IF_ERROR(Handle(reply));
    }
    result_.entries = intake_.entries();
    return absl::OkStatus();
  }

  bool complete() const { return done_; }
  const FileSyncResult& result() const { return result_; }

 private:
  Status Handle(SyncReply& reply) {
    if (!reply.error().empty()) {
      return absl::UnknownError(absl::StrCat("error from sender: ", reply.error()));
    }
    if (done_) {
      return absl::InvalidArgumentError("file transfer: more after the end");
    }
    SyncRequest wishes;
    for (const fsutil::types::Stat& entry : reply.entries()) {
      ASSIGN_OR_RETURN(const EntryIntake::Taken taken, intake_.Take(entry));
      if (taken.wanted == Wanted::kDigest) {
        hashing_.insert(taken.id);
        wishes.add_digests(taken.id);
      } else if (taken.wanted == Wanted::kContent) {
        Want(taken.id, wishes);
      }
    }
    if (reply.entries_end()) {
      RETURN_IF_ERROR(intake_.End());
    }
    for (const v1::FileDigest& digest : reply.digests()) {
      RETURN_IF_ERROR(HandleDigest(digest, wishes));
    }
    for (v1::FilePiece& piece : *reply.mutable_pieces()) {
      RETURN_IF_ERROR(HandlePiece(piece));
    }
    done_ = intake_.ended() && open_.empty() && hashing_.empty();
    wishes.set_done(done_);
    if (done_ || wishes.digests_size() > 0 || wishes.contents_size() > 0) {
      // When it fails the stream has ended, and reading tells why.
      stream_.Write(wishes, done_ ? grpc::WriteOptions().set_last_message() : grpc::WriteOptions());
    }
    return absl::OkStatus();
  }

  void Want(uint32_t id, SyncRequest& wishes) {
    open_.insert(id);
    ++result_.files;
    wishes.add_contents(id);
  }

  Status HandleDigest(const v1::FileDigest& digest, SyncRequest& wishes) {
    if (hashing_.erase(digest.id()) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("file transfer: digest of the file ", digest.id(), ", which nobody wanted"));
    }
    ASSIGN_OR_RETURN(const Digest value, Digest::FromRaw(digest.sha256()));
    ASSIGN_OR_RETURN(const bool wanted, sink_.OnDigest(digest.id(), value, digest.size()));
    if (wanted) {
      Want(digest.id(), wishes);
    }
    return absl::OkStatus();
  }

  Status HandlePiece(v1::FilePiece& piece) {
    if (!open_.contains(piece.id())) {
      return absl::InvalidArgumentError(
          absl::StrCat("file transfer: data for the file ", piece.id(), ", which is not open"));
    }
    if (!piece.data().empty()) {
      RETURN_IF_ERROR(sink_.OnData(piece.id(), std::move(*piece.mutable_data())));
    }
    if (piece.end()) {
      open_.erase(piece.id());
      RETURN_IF_ERROR(sink_.OnFileEnd(piece.id()));
    }
    return absl::OkStatus();
  }

  const FileSyncRequest& request_;
  FileSyncSink& sink_;
  SyncStream& stream_;
  EntryIntake intake_;
  absl::flat_hash_set<uint32_t> hashing_;  // asked for, not answered
  absl::flat_hash_set<uint32_t> open_;     // contents asked for and not complete
  bool done_ = false;
  FileSyncResult result_;
};

SyncRequest OpenRequest(const FileSyncRequest& request) {
  SyncRequest first;
  v1::SyncOpen& open = *first.mutable_open();
  open.set_dir_name(request.dir_name);
  open.mutable_include_patterns()->Assign(request.include_patterns.begin(),
                                          request.include_patterns.end());
  open.mutable_exclude_patterns()->Assign(request.exclude_patterns.begin(),
                                          request.exclude_patterns.end());
  open.mutable_follow_paths()->Assign(request.follow_paths.begin(), request.follow_paths.end());
  return first;
}

}  // namespace

bool ServesContextSync(const Session& session) {
  return session.Supports("/cairn.v1.ContextSync/Sync");
}

StatusOr<FileSyncResult> ReceiveContext(const Session& session, const FileSyncRequest& request,
                                        FileSyncSink& sink, const CancelToken& cancel) {
  Call call(session, cancel);
  auto stub = v1::ContextSync::NewStub(session.channel());
  const std::unique_ptr<SyncStream> stream = stub->Sync(call.context());
  stream->Write(OpenRequest(request));
  ContextReceiver receiver(request, sink, *stream);
  const Status received = receiver.Run();
  if (!received.ok()) {
    call.Cancel();
  }
  const grpc::Status outcome = stream->Finish();
  if (!received.ok()) {
    RETURN_IF_ERROR(cancel.Check());
    return received;
  }
  RETURN_IF_ERROR(call.Finish(outcome));
  if (!receiver.complete()) {
    return absl::InvalidArgumentError("file transfer: the sender left before the end");
  }
  return receiver.result();
}

}  // namespace cairn::session
