// ByteSource and ByteSink: bytes that flow, pulled from one and pushed into the other, and their
// versions over descriptors and memory.
//
// None of these is thread-safe. None buffers, unless it says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/base/cancel.h"
#include "runtime/base/digest.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::fs {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Reads 1 to `size` bytes into `buffer` and returns how many; 0 only at the end (or when `size`
  // is 0). After an error the source is not read again.
  virtual StatusOr<size_t> Read(char* buffer, size_t size) = 0;
};

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // Takes all of `data`. After an error the sink is not written again.
  virtual Status Write(string_view data) = 0;
};

// Reads from where a descriptor's file offset stands.
class FdSource final : public ByteSource {
 public:
  explicit FdSource(UniqueFd fd) : owned_(std::move(fd)), fd_(owned_.get()) {}
  // Borrows `fd`, which outlives the source.
  explicit FdSource(int fd) : fd_(fd) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override;

 private:
  UniqueFd owned_;
  int fd_;
};

class FdSink final : public ByteSink {
 public:
  explicit FdSink(UniqueFd fd) : owned_(std::move(fd)), fd_(owned_.get()) {}
  // Borrows `fd`, which outlives the sink.
  explicit FdSink(int fd) : fd_(fd) {}
  Status Write(string_view data) override { return WriteAll(fd_, data); }

 private:
  UniqueFd owned_;
  int fd_;
};

// Reads a string that it owns.
class StringSource final : public ByteSource {
 public:
  explicit StringSource(std::string data) : data_(std::move(data)) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override;

 private:
  std::string data_;
  size_t position_ = 0;
};

// Appends to a string that outlives it; beyond `limit` bytes in all, kResourceExhausted.
class StringSink final : public ByteSink {
 public:
  explicit StringSink(std::string* data, uint64_t limit = UINT64_MAX)
      : data_(*data), limit_(limit) {}
  Status Write(string_view data) override;

 private:
  std::string& data_;
  const uint64_t limit_;
};

// Passes another source's bytes on, and knows their digest and number. The other outlives it.
class HashingSource final : public ByteSource {
 public:
  explicit HashingSource(ByteSource& source) : source_(source) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override;

  uint64_t bytes() const { return bytes_; }
  // The digest of all that was read. Called once, at the end.
  Digest FinishDigest() { return hasher_.Finish(); }

 private:
  ByteSource& source_;
  Hasher hasher_;
  uint64_t bytes_ = 0;
};

// Passes bytes on to another sink, and knows their digest and number. The other outlives it.
class HashingSink final : public ByteSink {
 public:
  explicit HashingSink(ByteSink& sink) : sink_(sink) {}
  Status Write(string_view data) override;

  uint64_t bytes() const { return bytes_; }
  // The digest of all that was written. Called once, at the end.
  Digest FinishDigest() { return hasher_.Finish(); }

 private:
  ByteSink& sink_;
  Hasher hasher_;
  uint64_t bytes_ = 0;
};

// Takes bytes and drops them.
class NullSink final : public ByteSink {
 public:
  Status Write(string_view) override { return absl::OkStatus(); }
};

// Moves everything from `source` to `sink`; returns the number of bytes. `cancel` is looked at
// between reads.
StatusOr<uint64_t> Copy(ByteSource& source, ByteSink& sink, const CancelToken& cancel = {});

// Reads to the end and drops it; returns the number of bytes.
StatusOr<uint64_t> Drain(ByteSource& source);

// Reads to the end; more than `limit` bytes is kResourceExhausted.
StatusOr<std::string> ReadToEnd(ByteSource& source, uint64_t limit);

// Reads exactly `size` bytes, fewer only at the end of the source; returns how many.
StatusOr<size_t> ReadFully(ByteSource& source, char* buffer, size_t size);

}  // namespace cairn::fs
