// ObjectFiles: where large blobs lie as files. The only place that builds their paths.
//
//   objects/tmp/<number>              being written; removed at start
//   objects/<2 hex>/<62 hex>          the bytes of the blob of that digest
//   objects/<2 hex>/<62 hex>.<16 hex> the same bytes in an inode with other metadata (a variant),
//                                     named by the start of the metadata's digest
//
// and how the tables speak of them:
//   kObjects   digest (32 bytes)                  -> entry, of every blob
//   kVariants  digest + metadata digest (8 bytes) -> entry
//   entry = size, epoch (varints), place (1 byte: 0 a file, 1 kBlobs)
// The epoch says when the file was made, see durability.h. A file without its entry is not visible.
// Blobs in kBlobs have an entry too: whether a blob is there is then answered from small keys and
// values that stay in memory.
//
// Thread-safe; the callers exclude each other per digest.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/base/digest.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"
#include "runtime/fs/metadata.h"

namespace cairn::blob {

// The name of one object or variant.
struct ObjectName {
  explicit ObjectName(const Digest& digest) : digest(digest) {}
  // The variant with `metadata`.
  ObjectName(const Digest& digest, const fs::Metadata& metadata);

  Digest digest;
  std::string variant;  // 8 raw bytes, or empty

  std::string path() const;  // below objects/
  std::string key() const;   // in kObjects or kVariants
  static StatusOr<ObjectName> FromKey(string_view key);
};

// What kObjects and kVariants hold.
struct ObjectEntry {
  uint64_t size = 0;
  uint64_t epoch = 0;
  bool in_database = false;

  std::string Encode() const;
  static StatusOr<ObjectEntry> Decode(string_view bytes);
};

class ObjectFiles {
 public:
  // A file in tmp/, removed on destruction unless it was placed.
  class Temporary {
   public:
    Temporary(int objects_fd, std::string path, UniqueFd fd)
        : objects_fd_(objects_fd), path_(std::move(path)), fd_(std::move(fd)) {}
    ~Temporary();
    Temporary(const Temporary&) = delete;
    Temporary& operator=(const Temporary&) = delete;
    int fd() const { return fd_.get(); }
    const std::string& path() const { return path_; }

   private:
    friend class ObjectFiles;
    const int objects_fd_;
    std::string path_;  // below objects/; empty once placed
    UniqueFd fd_;
  };

  // Makes `root`/objects if missing, readable by this user alone (it holds setuid files), and
  // empties its tmp.
  static StatusOr<std::unique_ptr<ObjectFiles>> Open(const std::string& root);

  StatusOr<std::unique_ptr<Temporary>> NewTemporary();
  // Renames `temporary` to `name`, replacing what is there.
  Status Place(Temporary& temporary, const ObjectName& name);
  // Hard-links `name` in `directory_fd` as `object`, replacing what is there. The status has the
  // errno of linkat.
  Status TakeLink(int directory_fd, const std::string& name, const ObjectName& object);
  // Makes `name` in `directory_fd` a hard link of `object`. The status has the errno of linkat.
  Status GiveLink(const ObjectName& object, int directory_fd, const std::string& name);

  // kNotFound when there is no file.
  StatusOr<UniqueFd> OpenFile(const ObjectName& name);
  // nullopt when there is no file.
  StatusOr<std::optional<struct stat>> Stat(const ObjectName& name);
  // Absent is OK.
  Status Remove(const ObjectName& name);

  // Calls `visit` for every object and variant file.
  Status List(const std::function<Status(const ObjectName& name, uint64_t size)>& visit);

  // Writes everything of the file system to the disk, whoever has written it: syncfs(2).
  Status SyncAll();
  // Writes these files and their directories to the disk; those that are gone are left out.
  Status SyncFiles(const std::vector<ObjectName>& names);

  int fd() const { return objects_.get(); }

 private:
  explicit ObjectFiles(UniqueFd objects) : objects_(std::move(objects)) {}
  // Runs `call` (which returns a libc result) and once more when the two-digit directory of `name`
  // was missing.
  Status WithDirectory(const ObjectName& name, string_view what, const std::function<int()>& call);

  const UniqueFd objects_;
  std::atomic<uint64_t> next_temporary_ = 0;
};

// Copies the whole file `from` to the start of `to`, sharing blocks where the file system can.
Status CopyFileBytes(int from, int to);

}  // namespace cairn::blob
