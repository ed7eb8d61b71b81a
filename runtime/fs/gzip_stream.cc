// gzip through ISA-L, and zlib for the levels that trade speed for size.

#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/fs/compression_streams.h"

namespace cairn::fs {
namespace {

constexpr size_t kInputSize = 256 << 10;
constexpr size_t kOutputSize = 128 << 10;

Status BadGzip(string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("bad gzip data: ", what));
}

class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(ByteSource& source) : source_(source), input_(kInputSize) {
    isal_inflate_init(&state_);
    state_.crc_flag = ISAL_GZIP;
  }

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    if (size == 0 || done_) {
      return size_t{0};
    }
    size = std::min(size, size_t{1} << 30);
    state_.next_out = reinterpret_cast<uint8_t*>(buffer);
    state_.avail_out = static_cast<uint32_t>(size);
    while (state_.avail_out == size) {
      if (state_.block_state == ISAL_BLOCK_FINISH) {
        ASSIGN_OR_RETURN(const bool more, StartMember());
        if (!more) {
          return size_t{0};
        }
      }
      if (state_.avail_in == 0) {
        ASSIGN_OR_RETURN(const bool filled, Fill());
        if (!filled && !HoldsInput()) {
          return BadGzip("truncated");
        }
      }
      const uint32_t before = state_.avail_in;
      const int result = isal_inflate(&state_);
      if (result != ISAL_DECOMP_OK) {
        return BadGzip(result == ISAL_INCORRECT_CHECKSUM ? "a wrong checksum" : "not deflate data");
      }
      const bool stuck = state_.avail_out == size && state_.avail_in == before &&
                         state_.block_state != ISAL_BLOCK_FINISH;
      if (stuck && at_end_) {
        return BadGzip("truncated");
      }
    }
    return size - state_.avail_out;
  }

 private:
  // Whether the library has input inside it that may still give output.
  bool HoldsInput() const {
    return state_.read_in_length > 0 || state_.tmp_out_processed < state_.tmp_out_valid ||
           state_.copy_overflow_length > 0 || state_.write_overflow_len > 0;
  }

  // Reads more input when there is none; false at the source's end.
  StatusOr<bool> Fill() {
    if (at_end_) {
      return false;
    }
    ASSIGN_OR_RETURN(const size_t got,
                     source_.Read(reinterpret_cast<char*>(input_.data()), input_.size()));
    state_.next_in = input_.data();
    state_.avail_in = static_cast<uint32_t>(got);
    at_end_ = got == 0;
    return got != 0;
  }

  // After a member: false when the stream ends, else begins the next.
  StatusOr<bool> StartMember() {
    if (state_.avail_in == 0) {
      ASSIGN_OR_RETURN(const bool filled, Fill());
      if (!filled) {
        done_ = true;
        return false;
      }
    }
    if (state_.next_in[0] != 0x1f) {
      return BadGzip("something else follows it");
    }
    isal_inflate_reset(&state_);
    state_.crc_flag = ISAL_GZIP;
    return true;
  }

  ByteSource& source_;
  std::vector<uint8_t> input_;
  struct inflate_state state_;
  bool at_end_ = false;
  bool done_ = false;
};

class IsalCompressor final : public PieceCompressor {
 public:
  IsalCompressor(ByteSink& sink, int level) : sink_(sink), output_(kOutputSize) {
    isal_deflate_init(&stream_);
    static constexpr size_t kBufferSizes[] = {ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT,
                                              ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};
    level_buffer_.resize(kBufferSizes[level]);
    stream_.level = static_cast<uint32_t>(level);
    stream_.level_buf = level_buffer_.data();
    stream_.level_buf_size = static_cast<uint32_t>(level_buffer_.size());
    stream_.gzip_flag = IGZIP_GZIP;
    stream_.flush = NO_FLUSH;
  }

 protected:
  Status CompressPiece(string_view piece, bool last) override {
    stream_.next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(piece.data()));
    stream_.avail_in = static_cast<uint32_t>(piece.size());
    stream_.end_of_stream = last ? 1 : 0;
    for (;;) {
      stream_.next_out = output_.data();
      stream_.avail_out = static_cast<uint32_t>(output_.size());
      const int result = isal_deflate(&stream_);
      if (result != COMP_OK) {
        return absl::InternalError(absl::StrCat("gzip: the compressor failed: ", result));
      }
      const size_t made = output_.size() - stream_.avail_out;
      RETURN_IF_ERROR(
          sink_.Write(string_view(reinterpret_cast<const char*>(output_.data()), made)));
      const bool finished = last ? stream_.internal_state.state == ZSTATE_END
                                 : stream_.avail_in == 0 && stream_.avail_out != 0;
      if (finished) {
        return absl::OkStatus();
      }
    }
  }

 private:
  ByteSink& sink_;
  std::vector<uint8_t> output_;
  std::vector<uint8_t> level_buffer_;
  struct isal_zstream stream_;
};

class ZlibCompressor final : public PieceCompressor {
 public:
  explicit ZlibCompressor(ByteSink& sink) : sink_(sink), output_(kOutputSize) {}
  ~ZlibCompressor() override {
    if (started_) {
      deflateEnd(&stream_);
    }
  }

  Status Start(int level) {
    constexpr int kGzipWindow = 15 + 16;
    if (deflateInit2(&stream_, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
      return absl::ResourceExhaustedError("gzip: the compressor did not start");
    }
    started_ = true;
    // The same header bytes on every system.
    header_.os = 255;
    deflateSetHeader(&stream_, &header_);
    return absl::OkStatus();
  }

 protected:
  Status CompressPiece(string_view piece, bool last) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    stream_.avail_in = static_cast<uInt>(piece.size());
    for (;;) {
      stream_.next_out = output_.data();
      stream_.avail_out = static_cast<uInt>(output_.size());
      const int result = deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
      if (result == Z_STREAM_ERROR) {
        return absl::InternalError("gzip: the compressor failed");
      }
      const size_t made = output_.size() - stream_.avail_out;
      RETURN_IF_ERROR(
          sink_.Write(string_view(reinterpret_cast<const char*>(output_.data()), made)));
      if (last ? result == Z_STREAM_END : stream_.avail_out != 0) {
        return absl::OkStatus();
      }
    }
  }

 private:
  ByteSink& sink_;
  std::vector<Bytef> output_;
  z_stream stream_ = {};
  gz_header header_ = {};
  bool started_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> NewGzipDecompressor(ByteSource& source) {
  return std::make_unique<GzipSource>(source);
}

std::unique_ptr<Compressor> NewIsalGzipCompressor(ByteSink& sink, int level) {
  return std::make_unique<IsalCompressor>(sink, level);
}

StatusOr<std::unique_ptr<Compressor>> NewZlibGzipCompressor(ByteSink& sink, int level) {
  auto compressor = std::make_unique<ZlibCompressor>(sink);
  RETURN_IF_ERROR(compressor->Start(level));
  return compressor;
}

}  // namespace cairn::fs
