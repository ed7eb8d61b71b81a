// Receiving a directory from a client (moby.filesync.v1.FileSync/DiffCopy, or context_sync.h).
//
// The client sends what it has, entry by entry; the sink decides for each regular file whether its
// content is wanted, and only that content crosses the wire. Requests are pipelined: contents
// arrive interleaved while the list still grows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "daemon/session/file_stat.h"
#include "daemon/session/session.h"
#include "runtime/base/cancel.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::session {

struct FileSyncRequest {
  std::string dir_name;  // the client's name of the directory
  std::vector<std::string> include_patterns;
  std::vector<std::string> exclude_patterns;
  std::vector<std::string> follow_paths;
  // A metadata-only transfer: an entry ".fsutil-metadata" is left out and not counted.
  bool metadata_only = false;
  uint64_t max_entries = 16 << 20;
  // Called with the bytes of packets received so far, after every packet. May be empty.
  std::function<void(uint64_t bytes)> on_progress;
};

// What is wanted of a file.
enum class Wanted {
  kNothing,
  kDigest,  // the client's digest, to decide by; of clients that tell none, the content
  kContent,
};

// What a transfer is written to. The calls come from one thread, the one in ReceiveFiles; an error
// ends the transfer and is returned from it.
class FileSyncSink {
 public:
  virtual ~FileSyncSink() = default;

  // The next entry, parents first and siblings in byte order. `id` names its content later on.
  // Returns what is wanted of it; asked of regular files that are no hard links, else ignored.
  // Paths are clean and relative; sockets are left out.
  virtual StatusOr<Wanted> OnEntry(uint32_t id, const FileStat& stat) = 0;

  // The list is complete; contents may still be to come.
  virtual Status OnEntriesEnd() { return absl::OkStatus(); }

  // What the client says is the digest of the `size` bytes of the file `id`. Returns whether the
  // content is wanted.
  virtual StatusOr<bool> OnDigest(uint32_t id, const Digest& digest, uint64_t size) = 0;

  // The next bytes of the file `id`, which was wanted.
  virtual Status OnData(uint32_t id, std::string data) = 0;

  // The content of `id` is complete. It may be shorter or longer than its stat said: the client's
  // file can change meanwhile, and one that it cannot read comes empty.
  virtual Status OnFileEnd(uint32_t id) = 0;
};

struct FileSyncResult {
  uint64_t entries = 0;
  uint64_t files = 0;  // whose content was transferred
  uint64_t bytes = 0;  // of packets received
};

// Receives the directory that `request` names, in the best way that the client knows. Errors:
// kNotFound when the client offers no such directory, kUnimplemented when it offers none,
// kInvalidArgument when the stream makes no sense, kUnavailable when the session ended, and
// whatever the sink returned.
StatusOr<FileSyncResult> ReceiveFiles(const Session& session, const FileSyncRequest& request,
                                      FileSyncSink& sink, const CancelToken& cancel);

}  // namespace cairn::session
