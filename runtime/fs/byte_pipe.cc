#include "runtime/fs/byte_pipe.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace cairn::fs {

Status BytePipe::Write(string_view data) {
  std::string piece(data);
  MutexLock lock(mu_);
  while (held_ >= capacity_ && !reader_closed_) {
    changed_.Wait(mu_);
  }
  if (reader_closed_) {
    return absl::CancelledError("nobody reads any more");
  }
  if (!piece.empty()) {
    held_ += piece.size();
    pieces_.push_back(std::move(piece));
    changed_.NotifyAll();
  }
  return absl::OkStatus();
}

void BytePipe::CloseWriter(const Status& end) {
  MutexLock lock(mu_);
  writer_closed_ = true;
  end_ = end;
  changed_.NotifyAll();
}

StatusOr<size_t> BytePipe::Read(char* buffer, size_t size) {
  std::string used;  // freed without the lock
  MutexLock lock(mu_);
  while (pieces_.empty() && !writer_closed_) {
    changed_.Wait(mu_);
  }
  if (pieces_.empty()) {
    RETURN_IF_ERROR(end_);
    return 0;
  }
  std::string& piece = pieces_.front();
  const size_t count = std::min(size, piece.size() - position_);
  std::memcpy(buffer, piece.data() + position_, count);
  position_ += count;
  held_ -= count;
  if (position_ == piece.size()) {
    used = std::move(piece);
    pieces_.pop_front();
    position_ = 0;
  }
  changed_.NotifyAll();
  return count;
}

void BytePipe::CloseReader() {
  MutexLock lock(mu_);
  reader_closed_ = true;
  changed_.NotifyAll();
}

}  // namespace cairn::fs
