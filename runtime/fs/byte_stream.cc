#include "runtime/fs/byte_stream.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace cairn::fs {
namespace {

constexpr size_t kCopyBuffer = 256 << 10;

}  // namespace

StatusOr<size_t> FdSource::Read(char* buffer, size_t size) {
  for (;;) {
    const ssize_t got = ::read(fd_, buffer, size);
    if (got >= 0) {
      return static_cast<size_t>(got);
    }
    if (errno != EINTR) {
      return ErrnoStatus(errno, "read");
    }
  }
}

StatusOr<size_t> StringSource::Read(char* buffer, size_t size) {
  const size_t count = std::min(size, data_.size() - position_);
  std::memcpy(buffer, data_.data() + position_, count);
  position_ += count;
  return count;
}

Status StringSink::Write(string_view data) {
  if (data.size() > limit_ || data_.size() > limit_ - data.size()) {
    return absl::ResourceExhaustedError(absl::StrCat("more than ", limit_, " bytes"));
  }
  data_.append(data.data(), data.size());
  return absl::OkStatus();
}

StatusOr<size_t> HashingSource::Read(char* buffer, size_t size) {
  ASSIGN_OR_RETURN(const size_t got, source_.Read(buffer, size));
  hasher_.Update(string_view(buffer, got));
  bytes_ += got;
  return got;
}

Status HashingSink::Write(string_view data) {
  hasher_.Update(data);
  bytes_ += data.size();
  return sink_.Write(data);
}

StatusOr<uint64_t> Copy(ByteSource& source, ByteSink& sink, const CancelToken& cancel) {
  std::unique_ptr<char[]> buffer(new char[kCopyBuffer]);
  uint64_t total = 0;
  for (;;) {
    RETURN_IF_ERROR(cancel.Check());
    ASSIGN_OR_RETURN(const size_t got, source.Read(buffer.get(), kCopyBuffer));
    if (got == 0) {
      return total;
    }
    RETURN_IF_ERROR(sink.Write(string_view(buffer.get(), got)));
    total += got;
  }
}

StatusOr<uint64_t> Drain(ByteSource& source) {
  NullSink sink;
  return Copy(source, sink);
}

StatusOr<std::string> ReadToEnd(ByteSource& source, uint64_t limit) {
  std::string data;
  StringSink sink(&data, limit);
  RETURN_IF_ERROR(Copy(source, sink).status());
  return data;
}

StatusOr<size_t> ReadFully(ByteSource& source, char* buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    ASSIGN_OR_RETURN(const size_t got, source.Read(buffer + done, size - done));
    if (got == 0) {
      break;
    }
    done += got;
  }
  return done;
}

}  // namespace cairn::fs
