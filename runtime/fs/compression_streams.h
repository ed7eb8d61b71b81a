// The streams behind compression.h, one constructor per library. Private to this folder.
#pragma once

#include <memory>
#include <optional>

#include "runtime/fs/compression.h"

namespace cairn::fs {

// Adds fixed-size input pieces to a compressor, so that its output does not depend on how writes
// were cut.
class PieceCompressor : public Compressor {
 public:
  Status Write(string_view data) final;
  Status Finish() final;

 protected:
  // Compresses a piece; every one but the last has the same size. `last` ends the stream.
  virtual Status CompressPiece(string_view piece, bool last) = 0;

 private:
  std::string piece_;
};

// `source` outlives each of these.
std::unique_ptr<ByteSource> NewGzipDecompressor(ByteSource& source);
std::unique_ptr<ByteSource> NewZstdDecompressor(ByteSource& source, int window_log);
// bzip2 or xz.
std::unique_ptr<ByteSource> NewArchiveDecompressor(Encoding encoding, ByteSource& source);

// `sink` outlives each of these.
std::unique_ptr<Compressor> NewIsalGzipCompressor(ByteSink& sink, int level);
StatusOr<std::unique_ptr<Compressor>> NewZlibGzipCompressor(ByteSink& sink, int level);
StatusOr<std::unique_ptr<Compressor>> NewZstdCompressor(ByteSink& sink, int level);

}  // namespace cairn::fs
