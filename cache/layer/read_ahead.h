// ReadAhead reads another source on a thread of its own, a few buffers in advance, so that
// decompressing and digesting a stream goes on while its reader works.
//
// Not thread-safe, but the source is read on another thread until Stop or destruction, both of
// which wait for a read in progress.
#pragma once

#include <deque>
#include <string>
#include <thread>

#include "runtime/base/sync.h"
#include "runtime/fs/byte_stream.h"

namespace cairn::layer {

class ReadAhead final : public fs::ByteSource {
 public:
  // `source` outlives the object.
  explicit ReadAhead(fs::ByteSource& source);
  ~ReadAhead() override;

  StatusOr<size_t> Read(char* buffer, size_t size) override;

  // Ends the thread; the source is the caller's again.
  void Stop();

 private:
  void Run();

  fs::ByteSource& source_;
  std::string current_;  // being read from
  size_t position_ = 0;

  Mutex mu_;
  CondVar changed_;
  std::deque<std::string> ready_ ABSL_GUARDED_BY(mu_);
  std::deque<std::string> spare_ ABSL_GUARDED_BY(mu_);  // buffers to use again
  Status end_ ABSL_GUARDED_BY(mu_);                     // how the source ended
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cairn::layer
