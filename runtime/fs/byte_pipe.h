// BytePipe: bytes from one thread to another, a bounded number of them under way.
//
// One thread writes, one reads. Each may leave early: a reader that has closed makes writes fail
// with kCancelled, a writer that closes with an error makes the reader fail with it.
#pragma once

#include <deque>
#include <string>

#include "runtime/base/sync.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::fs {

class BytePipe final : public ByteSource, public ByteSink {
 public:
  explicit BytePipe(uint64_t capacity = 4 << 20) : capacity_(capacity) {}

  // Waits while the pipe is full.
  Status Write(string_view data) override;
  // No more comes; `end` is what the reader gets after the last byte: the end, or an error.
  void CloseWriter(const Status& end);

  // Waits while the pipe is empty.
  StatusOr<size_t> Read(char* buffer, size_t size) override;
  void CloseReader();

 private:
  const uint64_t capacity_;
  Mutex mu_;
  CondVar changed_;
  std::deque<std::string> pieces_ ABSL_GUARDED_BY(mu_);
  size_t position_ ABSL_GUARDED_BY(mu_) = 0;  // in the first piece
  uint64_t held_ ABSL_GUARDED_BY(mu_) = 0;
  Status end_ ABSL_GUARDED_BY(mu_);
  bool writer_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool reader_closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cairn::fs
