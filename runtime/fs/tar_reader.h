// TarReader reads a tar archive (not compressed) entry by entry from a stream.
//
// Formats: V7, USTAR and PAX (POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended
// Header"), GNU long names, base-256 numbers and sparse files (GNU tar manual, "Tar Internals").
// Global pax headers are skipped, as container runtimes do. Names and attribute values are the
// archive's bytes, neither converted nor normalised. Bad checksums, pax records whose length
// lies, negative numbers and sparse maps that do not add up are refused. As in Go's archive/tar,
// links, devices and directories have no data whatever their size says.
//
// Errors: kInvalidArgument for a bad or truncated archive, kResourceExhausted beyond a limit (both
// name the entry), else the source's own. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/base/status.h"
#include "runtime/fs/byte_stream.h"
#include "runtime/fs/tar_entry.h"

namespace cairn::fs {

struct TarLimits {
  uint64_t entries = 20'000'000;
  uint64_t path_bytes = 4096;       // of a name and of a link's target
  uint64_t header_bytes = 4 << 20;  // of one entry's extended headers
  uint64_t file_bytes = uint64_t{1} << 40;
  uint64_t sparse_file_bytes = uint64_t{64} << 30;  // of a file with holes
};

class TarReader final : public ByteSource {
 public:
  // `source` outlives the reader, which reads ahead of the entry it is at.
  explicit TarReader(ByteSource& source, const TarLimits& limits = {});
  ~TarReader() override;

  // The next entry, or nullopt at the end. What was not read of the entry before is skipped. After
  // the end, bytes may be left in the source: whoever digests the stream drains it.
  StatusOr<std::optional<TarEntry>> Next();

  // Reads the data of the entry that Next gave, holes as zeros.
  StatusOr<size_t> Read(char* buffer, size_t size) override;

 private:
  class Input;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::fs
