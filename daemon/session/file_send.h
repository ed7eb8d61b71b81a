// Handing a build's result to the client (moby.filesync.v1.FileSend/DiffCopy).
//
// Two protocols share that method: a directory goes as fsutil packets, with the daemon as the
// sender; a tar goes as its bytes. Which one the client expects follows from the exporter.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemon/session/file_stat.h"
#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"

namespace cairn::session {

struct FileSendRequest {
  int exporter_id = 0;  // index in the Solve request's exporters
  // Each becomes "exporter-md-<key>"; for tars the exporter response as far as it is known.
  std::map<std::string, std::string> metadata;
  // Says that one stream carries several platforms; needed when the client deletes what is extra.
  bool multi_platform = false;
};

// The directory that SendTree sends. Called from one thread.
class TreeSource {
 public:
  virtual ~TreeSource() = default;

  // The next entry, in the order that EntryOrder checks; nullopt at the end.
  virtual StatusOr<std::optional<FileStat>> NextEntry() = 0;

  // Gives the content of the entry number `id` (from 0, in the order of NextEntry) to `write`,
  // piece by piece. Called after the last NextEntry, for regular files.
  virtual Status ReadContent(uint32_t id, const std::function<Status(string_view data)>& write) = 0;
};

// Sends the directory and waits until the client has written it. `on_progress`, which may be
// empty, gets the bytes sent so far. kUnimplemented when the client takes no exports.
Status SendTree(const Session& session, const FileSendRequest& request, TreeSource& source,
                const CancelToken& cancel, const std::function<void(uint64_t)>& on_progress);

// A tar on its way to the client. Used by one thread at a time.
class StreamUpload {
 public:
  // `session` outlives the upload.
  static StatusOr<std::unique_ptr<StreamUpload>> Open(std::shared_ptr<Session> session,
                                                      const FileSendRequest& request,
                                                      const CancelToken& cancel);
  ~StreamUpload();  // breaks an unfinished upload off
  StreamUpload(const StreamUpload&) = delete;
  StreamUpload& operator=(const StreamUpload&) = delete;

  // Sends `data`, cut into messages that the client takes. On failure Finish has the reason.
  Status Write(string_view data);

  // Ends the stream and waits for the client to say that it has everything. kAlreadyExists when
  // the client has this result from before.
  Status Finish();

 private:
  class Stream;
  explicit StreamUpload(std::unique_ptr<Stream> stream);
  std::unique_ptr<Stream> stream_;
};

}  // namespace cairn::session
