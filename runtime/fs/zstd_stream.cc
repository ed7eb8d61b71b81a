// zstd through libzstd.

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/fs/compression_streams.h"

namespace cairn::fs {
namespace {

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

class ZstdSource final : public ByteSource {
 public:
  ZstdSource(ByteSource& source, int window_log)
      : source_(source), input_(256 << 10), context_(ZSTD_createDCtx()) {
    if (context_ != nullptr) {
      ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, window_log);
    }
  }

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    if (context_ == nullptr) {
      return absl::ResourceExhaustedError("zstd: no memory");
    }
    ZSTD_outBuffer out = {buffer, size, 0};
    while (out.pos == 0 && size != 0) {
      if (in_.pos == in_.size && !at_end_) {
        ASSIGN_OR_RETURN(const size_t got, source_.Read(input_.data(), input_.size()));
        in_ = {input_.data(), got, 0};
        at_end_ = got == 0;
      }
      if (at_end_ && in_frame_ == 0) {
        if (!any_) {
          return absl::InvalidArgumentError("bad zstd data: empty");
        }
        return size_t{0};
      }
      const size_t result = ZSTD_decompressStream(context_.get(), &out, &in_);
      if (ZSTD_isError(result)) {
        const std::string text = absl::StrCat("bad zstd data: ", ZSTD_getErrorName(result));
        return ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge
                   ? absl::ResourceExhaustedError(text)
                   : absl::InvalidArgumentError(text);
      }
      if (at_end_ && out.pos == 0 && result != 0) {
        return absl::InvalidArgumentError("bad zstd data: truncated");
      }
      in_frame_ = result;
      any_ = true;
    }
    return out.pos;
  }

 private:
  ByteSource& source_;
  std::vector<char> input_;
  std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
  ZSTD_inBuffer in_ = {nullptr, 0, 0};
  size_t in_frame_ = 0;  // not 0 between the begin and the end of a frame
  bool at_end_ = false;
  bool any_ = false;
};

class ZstdCompressor final : public PieceCompressor {
 public:
  explicit ZstdCompressor(ByteSink& sink)
      : sink_(sink), output_(ZSTD_CStreamOutSize()), context_(ZSTD_createCCtx()) {}

  Status Start(int level) {
    if (context_ == nullptr) {
      return absl::ResourceExhaustedError("zstd: no memory");
    }
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    return absl::OkStatus();
  }

 protected:
  Status CompressPiece(string_view piece, bool last) override {
    ZSTD_inBuffer in = {piece.data(), piece.size(), 0};
    for (;;) {
      ZSTD_outBuffer out = {output_.data(), output_.size(), 0};
      const size_t result =
          ZSTD_compressStream2(context_.get(), &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(result)) {
        return absl::InternalError(absl::StrCat("zstd: ", ZSTD_getErrorName(result)));
      }
      RETURN_IF_ERROR(sink_.Write(string_view(output_.data(), out.pos)));
      if (last ? result == 0 : in.pos == in.size) {
        return absl::OkStatus();
      }
    }
  }

 private:
  ByteSink& sink_;
  std::vector<char> output_;
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
};

}  // namespace

std::unique_ptr<ByteSource> NewZstdDecompressor(ByteSource& source, int window_log) {
  return std::make_unique<ZstdSource>(source, window_log);
}

StatusOr<std::unique_ptr<Compressor>> NewZstdCompressor(ByteSink& sink, int level) {
  auto compressor = std::make_unique<ZstdCompressor>(sink);
  RETURN_IF_ERROR(compressor->Start(level));
  return compressor;
}

}  // namespace cairn::fs
