#include "daemon/session/call.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/session/grpc_status.h"

namespace cairn::session {
namespace {

bool FitsHeader(const std::string& value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// The query form of percent-encoding: letters, digits and "-_.~" stay, a space becomes "+".
std::string QueryEscape(const std::string& value) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~') {
      out.push_back(c);
    } else if (c == ' ') {
      out.push_back('+');
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

}  // namespace

Call::Call(const Session& session, const CancelToken& cancel, absl::Duration timeout)
    : session_(session),
      cancel_(cancel),
      on_cancel_(cancel, [this] { context_.TryCancel(); }),
      on_closed_(session.closed(), [this] { context_.TryCancel(); }) {
  if (timeout != absl::InfiniteDuration()) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  }
}

void Call::AddMetadata(const std::string& key, const std::vector<std::string>& values) {
  const bool encode = !std::all_of(values.begin(), values.end(), FitsHeader);
  for (const std::string& value : values) {
    context_.AddMetadata(key, encode ? QueryEscape(value) : value);
  }
  if (encode) {
    context_.AddMetadata(key + "-encoded", "1");
  }
}

void Call::AddMetadata(const std::string& key, const std::string& value) {
  AddMetadata(key, std::vector<std::string>{value});
}

Status Call::Finish(const grpc::Status& outcome) const {
  if (outcome.ok()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(cancel_.Check());
  if (session_.closed().cancelled()) {
    return absl::UnavailableError(
        absl::StrCat("session ", session_.id(), " ended: ", session_.closed().Check().message()));
  }
  return FromGrpcStatus(outcome);
}

}  // namespace cairn::session
