#include "daemon/solver/log_clipper.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace cairn::solver {
namespace {

constexpr size_t kTailBytes = 256 << 10;

std::string SizeText(int64_t bytes) {
  if (bytes >= 1 << 20 && bytes % (1 << 20) == 0) {
    return absl::StrCat(bytes >> 20, "MiB");
  }
  if (bytes >= 1 << 10 && bytes % (1 << 10) == 0) {
    return absl::StrCat(bytes >> 10, "KiB");
  }
  return absl::StrCat(bytes, "B");
}

}  // namespace

std::string LogClipper::Clip(string_view data, absl::Time now) {
  int64_t limit = limits_.max_bytes;
  bool limited_by_speed = false;
  if (limits_.bytes_per_second >= 0) {
    const double seconds = std::max(1.0, std::ceil(absl::ToDoubleSeconds(now - start_)));
    const auto allowed =
        static_cast<int64_t>(seconds * static_cast<double>(limits_.bytes_per_second));
    if (limit < 0 || allowed < limit) {
      limit = allowed;
      limited_by_speed = true;
    }
  }
  const auto size = static_cast<int64_t>(data.size());
  const int64_t passed = limit < 0 ? size : std::clamp<int64_t>(limit - bytes_, 0, size);
  bytes_ += size;
  if (passed < size) {
    keeps_tail_ = true;
  }
  if (keeps_tail_) {
    tail_.append(data.data(), data.size());
    if (tail_.size() > 2 * kTailBytes) {
      tail_.erase(0, tail_.size() - kTailBytes);
    }
  }
  std::string out(data.substr(0, passed));
  if (passed == size) {
    clipping_ = false;
  } else if (!clipping_) {
    clipping_ = true;
    absl::StrAppend(&out, "\n[output clipped, log limit ",
                    limited_by_speed ? SizeText(limits_.bytes_per_second) : SizeText(limit),
                    limited_by_speed ? "/s" : "", " reached]\n");
  }
  return out;
}

std::string LogClipper::TakeTail() {
  keeps_tail_ = false;
  if (tail_.size() > kTailBytes) {
    tail_.erase(0, tail_.size() - kTailBytes);
  }
  return std::exchange(tail_, {});
}

}  // namespace cairn::solver
