// TarWriter writes a deterministic tar stream, in the form that image builders' layers have.
//
// USTAR headers; a pax extended header before an entry only where USTAR cannot say it: a name that
// does not fit with its prefix field or is not ASCII, a link target beyond 100 bytes, an id above
// 2097151, a size of 8 GiB or more, a time before 1970, xattrs (SCHILY.xattr.*). Times are whole
// seconds. No user or group names, no access or change times. Equal entries give equal bytes.
//
// Not thread-safe. A writer that is dropped without Finish leaves a truncated archive.
#pragma once

#include <cstdint>

#include "runtime/base/status.h"
#include "runtime/fs/byte_stream.h"
#include "runtime/fs/tar_entry.h"

namespace cairn::fs {

class TarWriter final : public ByteSink {
 public:
  // `sink` outlives the writer.
  explicit TarWriter(ByteSink& sink) : sink_(sink) {}

  // Starts the entry. For a file, exactly `entry.size` bytes of Write follow before the next entry
  // (none for a hard link). kInvalidArgument for an empty path, a NUL byte in a name, or a socket.
  Status Add(const TarEntry& entry);

  // A file with all its data.
  Status AddFile(TarEntry entry, string_view data);

  // Data of the entry in progress; kFailedPrecondition beyond its size.
  Status Write(string_view data) override;

  // Writes the end of the archive. kFailedPrecondition when the last entry lacks data.
  Status Finish();

 private:
  Status FinishEntry();
  Status WriteExtendedHeader(const TarEntry& entry, const std::string& records);

  ByteSink& sink_;
  uint64_t remaining_ = 0;  // data of the entry in progress
  uint64_t padding_ = 0;    // zeros after it
};

}  // namespace cairn::fs
