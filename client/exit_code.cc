#include "client/exit_code.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace cairn::client {
namespace {

constexpr char kPayload[] = "cairn/exit-code";
constexpr int kInterrupted = 130;
constexpr int kFailed = 1;

}  // namespace

Status WithExitCode(Status status, int code) {
  status.SetPayload(kPayload, absl::Cord(absl::StrCat(code)));
  return status;
}

int ExitCodeOf(const Status& status) {
  if (absl::IsCancelled(status)) {
    return kInterrupted;
  }
  const auto payload = status.GetPayload(kPayload);
  int code = kFailed;
  const bool has_own = payload.has_value() && absl::SimpleAtoi(std::string(*payload), &code);
  return has_own && code > 0 ? code : kFailed;
}

}  // namespace cairn::client
