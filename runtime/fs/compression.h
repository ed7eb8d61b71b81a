// Compressed streams: gzip (RFC 1952), zstd (RFC 8878), bzip2 and xz, in process.
//
// gzip is inflated and by default deflated with ISA-L, zstd with libzstd, bzip2 and xz with
// libarchive's filters. None is thread-safe; compressors are deterministic: equal input and level
// give equal bytes, however it is cut into writes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/base/status.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::fs {

enum class Encoding { kNone, kGzip, kZstd, kBzip2, kXz };

// How many first bytes DetectEncoding wants.
inline constexpr size_t kEncodingMagicBytes = 6;

// The encoding that `first_bytes` of a stream tell; kNone when none.
Encoding DetectEncoding(string_view first_bytes);

struct DecompressLimits {
  // More output than this is kResourceExhausted.
  uint64_t output_bytes = uint64_t{1} << 40;
  // zstd frames that need a larger window are kResourceExhausted.
  int zstd_window_log = 27;
};

// The bytes of `source`, decompressed. `source` outlives the result, which reads ahead but consumes
// the source to its end before it reports its own. Concatenated gzip members and zstd frames read
// as one stream. Bad, truncated or trailing data is kInvalidArgument.
std::unique_ptr<ByteSource> NewDecompressor(Encoding encoding, ByteSource& source,
                                            const DecompressLimits& limits = {});

// The same with the encoding detected from the first bytes.
StatusOr<std::unique_ptr<ByteSource>> NewDetectingDecompressor(ByteSource& source,
                                                               const DecompressLimits& limits = {});

// A sink that passes its input on compressed.
class Compressor : public ByteSink {
 public:
  // Ends the stream; called once, last.
  virtual Status Finish() = 0;
};

// A compressor into `sink`, which outlives it. kNone passes through. gzip levels: 0 to 9 (default
// and 1 to 3 are ISA-L's, 4 to 9 zlib's); zstd levels: 1 to 22, default 3. Other levels and
// encodings are kInvalidArgument.
StatusOr<std::unique_ptr<Compressor>> NewCompressor(Encoding encoding, ByteSink& sink,
                                                    std::optional<int> level = std::nullopt);

// `data` as one whole compressed stream: a gzip member or zstd frame, which may be concatenated.
StatusOr<std::string> Compress(Encoding encoding, string_view data,
                               std::optional<int> level = std::nullopt);

// A whole compressed string; more than `limit` bytes of output is kResourceExhausted.
StatusOr<std::string> Decompress(Encoding encoding, string_view data, uint64_t limit);

}  // namespace cairn::fs
