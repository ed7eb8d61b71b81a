// Owned file descriptors and whole-buffer I/O on them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "runtime/base/status.h"

namespace cairn {

// Owns one file descriptor, closed on destruction. Move-only. -1 means none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { Reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(other.Release());
    return *this;
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

struct FdPair {
  UniqueFd read;
  UniqueFd write;
};

// A close-on-exec pipe.
StatusOr<FdPair> MakePipe();

// Writes all of `data`, going on after EINTR and short writes. EPIPE is kUnavailable, never a
// signal (the programs ignore SIGPIPE).
Status WriteAll(int fd, string_view data);

// Reads until the end, at most `limit` bytes; more is kResourceExhausted.
StatusOr<std::string> ReadAll(int fd, uint64_t limit);

// Reads up to `size` bytes at `offset` (short only at the end of the file).
StatusOr<std::string> ReadAt(int fd, uint64_t offset, uint64_t size);

// Reads the file `path` whole, at most `limit` bytes. For the daemon's own files and /proc; paths
// from outside go through fs::RootDir.
StatusOr<std::string> ReadFile(const std::string& path, uint64_t limit = 16 << 20);

// Writes `data` to a temporary sibling of `path`, fsyncs it, renames it over `path` and fsyncs the
// directory: after a crash the file is the old one or the new one, whole.
Status WriteFileDurably(const std::string& path, string_view data, mode_t mode = 0644);

}  // namespace cairn
