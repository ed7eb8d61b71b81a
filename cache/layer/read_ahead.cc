#include "cache/layer/read_ahead.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/thread_pool.h"

namespace cairn::layer {
namespace {

constexpr size_t kBufferBytes = 512 << 10;
constexpr size_t kBuffers = 4;

}  // namespace

ReadAhead::ReadAhead(fs::ByteSource& source) : source_(source) {
  thread_ = StartThread("layer-read", [this] { Run(); });
}

ReadAhead::~ReadAhead() { Stop(); }

void ReadAhead::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void ReadAhead::Run() {
  for (;;) {
    std::string buffer;
    {
      MutexLock lock(mu_);
      while (ready_.size() >= kBuffers && !stopping_) {
        changed_.Wait(mu_);
      }
      if (stopping_) {
        return;
      }
      if (!spare_.empty()) {
        buffer = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    buffer.resize(kBufferBytes);
    const StatusOr<size_t> got = fs::ReadFully(source_, buffer.data(), buffer.size());
    MutexLock lock(mu_);
    if (got.ok() && *got > 0) {
      buffer.resize(*got);
      ready_.push_back(std::move(buffer));
    }
    if (!got.ok() || *got < kBufferBytes) {
      end_ = got.status();
      ended_ = true;
    }
    changed_.NotifyAll();
    if (ended_) {
      return;
    }
  }
}

StatusOr<size_t> ReadAhead::Read(char* buffer, size_t size) {
  if (position_ == current_.size()) {
    MutexLock lock(mu_);
    if (!current_.empty()) {
      spare_.push_back(std::move(current_));
    }
    current_.clear();
    position_ = 0;
    while (ready_.empty() && !ended_ && !stopping_) {
      changed_.Wait(mu_);
    }
    if (ready_.empty()) {
      RETURN_IF_ERROR(end_);
      return 0;
    }
    current_ = std::move(ready_.front());
    ready_.pop_front();
    changed_.NotifyAll();
  }
  const size_t count = std::min(size, current_.size() - position_);
  std::memcpy(buffer, current_.data() + position_, count);
  position_ += count;
  return count;
}

}  // namespace cairn::layer
