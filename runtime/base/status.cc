#include "runtime/base/status.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace cairn {
namespace {

constexpr string_view kErrnoPayload = "cairn/errno";

absl::StatusCode CodeOfErrno(int error) {
  switch (error) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
      return absl::StatusCode::kPermissionDenied;
    case EINVAL:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kUnknown;
  }
}

}  // namespace

Status Annotate(const Status& status, string_view context) {
  if (status.ok() || absl::IsCancelled(status)) {
    return status;
  }
  Status annotated(status.code(), absl::StrCat(context, ": ", status.message()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    annotated.SetPayload(url, payload);
  });
  return annotated;
}

Status ErrnoStatus(int error, string_view context) {
  char buffer[128];
  std::string text = strerror_r(error, buffer, sizeof buffer);
  // A sentence's beginning ("No such file"), but not an abbreviation's ("RPC").
  if (text.size() > 1 && absl::ascii_isupper(text[0]) && absl::ascii_islower(text[1])) {
    text[0] = absl::ascii_tolower(text[0]);
  }
  Status status(CodeOfErrno(error), absl::StrCat(context, ": ", text));
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error)));
  return status;
}

int ErrnoOf(const Status& status) {
  int error = 0;
  if (auto payload = status.GetPayload(kErrnoPayload); payload.has_value()) {
    if (!absl::SimpleAtoi(std::string(*payload), &error)) {
      return 0;
    }
  }
  return error;
}

}  // namespace cairn
