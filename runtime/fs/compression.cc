#include "runtime/fs/compression.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/fs/compression_streams.h"

namespace cairn::fs {
namespace {

constexpr size_t kPieceSize = 256 << 10;
constexpr int kDefaultIsalLevel = 1;
constexpr int kHighestIsalLevel = 3;
constexpr int kDefaultZstdLevel = 3;

class LimitedSource final : public ByteSource {
 public:
  LimitedSource(std::unique_ptr<ByteSource> source, uint64_t limit)
      : source_(std::move(source)), limit_(limit) {}

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    ASSIGN_OR_RETURN(const size_t got, source_->Read(buffer, size));
    total_ += got;
    if (total_ > limit_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("decompress: more than ", limit_, " bytes of output"));
    }
    return got;
  }

 private:
  std::unique_ptr<ByteSource> source_;
  const uint64_t limit_;
  uint64_t total_ = 0;
};

// First the bytes that were looked at, then the rest of the source; owns what may read from it.
class PeekedSource final : public ByteSource {
 public:
  PeekedSource(std::string head, ByteSource& rest) : head_(std::move(head)), rest_(rest) {}

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    if (position_ == head_.size()) {
      return rest_.Read(buffer, size);
    }
    const size_t count = head_.copy(buffer, size, position_);
    position_ += count;
    return count;
  }

 private:
  const std::string head_;
  size_t position_ = 0;
  ByteSource& rest_;
};

class OwningSource final : public ByteSource {
 public:
  OwningSource(std::unique_ptr<ByteSource> inner, std::unique_ptr<ByteSource> outer)
      : inner_(std::move(inner)), outer_(std::move(outer)) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override { return outer_->Read(buffer, size); }

 private:
  std::unique_ptr<ByteSource> inner_;
  std::unique_ptr<ByteSource> outer_;  // reads from inner_
};

class PassingSource final : public ByteSource {
 public:
  explicit PassingSource(ByteSource& source) : source_(source) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override { return source_.Read(buffer, size); }

 private:
  ByteSource& source_;
};

class PassingCompressor final : public Compressor {
 public:
  explicit PassingCompressor(ByteSink& sink) : sink_(sink) {}
  Status Write(string_view data) override { return sink_.Write(data); }
  Status Finish() override { return absl::OkStatus(); }

 private:
  ByteSink& sink_;
};

Status BadLevel(int level) {
  return absl::InvalidArgumentError(absl::StrCat("compression level ", level, " is out of range"));
}

}  // namespace

Status PieceCompressor::Write(string_view data) {
  while (!data.empty()) {
    if (piece_.empty() && data.size() > kPieceSize) {
      RETURN_IF_ERROR(CompressPiece(data.substr(0, kPieceSize), false));
      data.remove_prefix(kPieceSize);
      continue;
    }
    // A full piece is kept until more comes: the last one is marked.
    if (piece_.size() == kPieceSize) {
      RETURN_IF_ERROR(CompressPiece(piece_, false));
      piece_.clear();
    }
    const size_t count = std::min(data.size(), kPieceSize - piece_.size());
    piece_.append(data.data(), count);
    data.remove_prefix(count);
  }
  return absl::OkStatus();
}

Status PieceCompressor::Finish() { return CompressPiece(piece_, true); }

Encoding DetectEncoding(string_view first_bytes) {
  if (absl::StartsWith(first_bytes, "\x1f\x8b\x08")) {
    return Encoding::kGzip;
  }
  if (absl::StartsWith(first_bytes, "\x28\xb5\x2f\xfd")) {
    return Encoding::kZstd;
  }
  // A skippable zstd frame (as of seekable zstd) starts with 0x184D2A50 to 0x184D2A5F.
  if (first_bytes.size() >= 4 && (static_cast<unsigned char>(first_bytes[0]) & 0xf0) == 0x50 &&
      first_bytes.substr(1, 3) == "\x2a\x4d\x18") {
    return Encoding::kZstd;
  }
  if (absl::StartsWith(first_bytes, "BZh")) {
    return Encoding::kBzip2;
  }
  if (absl::StartsWith(first_bytes, string_view("\xfd"
                                                "7zXZ\0",
                                                6))) {
    return Encoding::kXz;
  }
  return Encoding::kNone;
}

std::unique_ptr<ByteSource> NewDecompressor(Encoding encoding, ByteSource& source,
                                            const DecompressLimits& limits) {
  std::unique_ptr<ByteSource> stream;
  switch (encoding) {
    case Encoding::kNone:
      stream = std::make_unique<PassingSource>(source);
      break;
    case Encoding::kGzip:
      stream = NewGzipDecompressor(source);
      break;
    case Encoding::kZstd:
      stream = NewZstdDecompressor(source, limits.zstd_window_log);
      break;
    case Encoding::kBzip2:
    case Encoding::kXz:
      stream = NewArchiveDecompressor(encoding, source);
      break;
  }
  return std::make_unique<LimitedSource>(std::move(stream), limits.output_bytes);
}

StatusOr<std::unique_ptr<ByteSource>> NewDetectingDecompressor(ByteSource& source,
                                                               const DecompressLimits& limits) {
  std::string head(kEncodingMagicBytes, '\0');
  ASSIGN_OR_RETURN(const size_t got, ReadFully(source, head.data(), head.size()));
  head.resize(got);
  const Encoding encoding = DetectEncoding(head);
  auto peeked = std::make_unique<PeekedSource>(std::move(head), source);
  std::unique_ptr<ByteSource> stream = NewDecompressor(encoding, *peeked, limits);
  return std::make_unique<OwningSource>(std::move(peeked), std::move(stream));
}

StatusOr<std::unique_ptr<Compressor>> NewCompressor(Encoding encoding, ByteSink& sink,
                                                    std::optional<int> level) {
  switch (encoding) {
    case Encoding::kNone:
      return std::make_unique<PassingCompressor>(sink);
    case Encoding::kGzip: {
      const int chosen = level.value_or(kDefaultIsalLevel);
      if (chosen < 0 || chosen > 9) {
        return BadLevel(chosen);
      }
      if (chosen >= 1 && chosen <= kHighestIsalLevel) {
        return NewIsalGzipCompressor(sink, chosen);
      }
      return NewZlibGzipCompressor(sink, chosen);
    }
    case Encoding::kZstd: {
      const int chosen = level.value_or(kDefaultZstdLevel);
      if (chosen < 1 || chosen > 22) {
        return BadLevel(chosen);
      }
      return NewZstdCompressor(sink, chosen);
    }
    case Encoding::kBzip2:
    case Encoding::kXz:
      break;
  }
  return absl::InvalidArgumentError("compress: bzip2 and xz are only read");
}

StatusOr<std::string> Compress(Encoding encoding, string_view data, std::optional<int> level) {
  std::string output;
  StringSink sink(&output);
  ASSIGN_OR_RETURN(const std::unique_ptr<Compressor> compressor,
                   NewCompressor(encoding, sink, level));
  RETURN_IF_ERROR(compressor->Write(data));
  RETURN_IF_ERROR(compressor->Finish());
  return output;
}

StatusOr<std::string> Decompress(Encoding encoding, string_view data, uint64_t limit) {
  StringSource source{std::string(data)};
  const std::unique_ptr<ByteSource> stream =
      NewDecompressor(encoding, source, DecompressLimits{.output_bytes = limit});
  return ReadToEnd(*stream, limit);
}

}  // namespace cairn::fs
