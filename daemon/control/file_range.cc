#include "daemon/control/file_range.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace cairn::control {
namespace {

constexpr uint64_t kMaxReadBytes = 15 << 20;  // one message, of at most 16 MiB

}  // namespace

StatusOr<std::optional<solver::FileRange>> DecodeRange(
    const moby::buildkit::v1::frontend::ReadFileRequest& request) {
  if (!request.has_range()) {
    return std::optional<solver::FileRange>();
  }
  if (request.range().offset() < 0 || request.range().length() < 0) {
    return absl::InvalidArgumentError("read file: negative range");
  }
  return solver::FileRange{static_cast<uint64_t>(request.range().offset()),
                           static_cast<uint64_t>(request.range().length())};
}

StatusOr<solver::FileRange> ClampRange(string_view path, uint64_t size,
                                       const std::optional<solver::FileRange>& wanted) {
  solver::FileRange range;
  range.offset = wanted.has_value() ? std::min(wanted->offset, size) : 0;
  range.length = size - range.offset;
  if (wanted.has_value() && wanted->length > 0) {
    range.length = std::min(range.length, wanted->length);
  }
  if (range.length > kMaxReadBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("read ", path, ": ", range.length, " bytes do not fit one answer"));
  }
  return range;
}

}  // namespace cairn::control
