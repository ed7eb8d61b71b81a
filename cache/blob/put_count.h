// PutCount: whether blobs were put that are not known to be durable.
//
// A put is counted before anybody can find its blob and until it is over, so whoever found a blob
// sees either the put under way or its count. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>

namespace cairn::blob {

class PutCount {
 public:
  // Lives around the write that makes a blob's entry visible.
  class Put {
   public:
    explicit Put(PutCount& count) : count_(count) { ++count_.under_way_; }
    ~Put() {
      ++count_.done_;
      --count_.under_way_;
    }
    Put(const Put&) = delete;
    Put& operator=(const Put&) = delete;

   private:
    PutCount& count_;
  };

  // Whether all that can be found now was covered by a sync.
  bool durable() const { return under_way_ == 0 && durable_ == done_; }

  // For a sync: taken before, said after.
  uint64_t done() const { return done_; }
  void SetDurable(uint64_t done) {
    uint64_t before = durable_;
    while (before < done && !durable_.compare_exchange_weak(before, done)) {
    }
  }

 private:
  std::atomic<uint64_t> under_way_ = 0;
  std::atomic<uint64_t> done_ = 1;  // what a process before this one put
  std::atomic<uint64_t> durable_ = 0;
};

}  // namespace cairn::blob
