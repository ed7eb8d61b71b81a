#include "daemon/session/session.h"

#include <grpcpp/channel.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace cairn::session {
namespace {

constexpr char kIdHeader[] = "x-docker-expose-session-uuid";
constexpr char kNameHeader[] = "x-docker-expose-session-name";
constexpr char kSharedKeyHeader[] = "x-docker-expose-session-sharedkey";
constexpr char kMethodHeader[] = "x-docker-expose-session-grpc-method";
constexpr char kHealthHeader[] = "x-buildkit-session-health-custom-timeout";
constexpr int kMinHealthMilliseconds = 1000;

std::string First(const std::multimap<std::string, std::string>& headers, const char* name) {
  auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

}  // namespace

StatusOr<SessionInfo> SessionInfo::FromHeaders(
    const std::multimap<std::string, std::string>& headers) {
  SessionInfo info;
  info.id = First(headers, kIdHeader);
  if (info.id.empty()) {
    return absl::InvalidArgumentError("session call without a session id");
  }
  info.name = First(headers, kNameHeader);
  info.shared_key = First(headers, kSharedKeyHeader);
  auto range = headers.equal_range(kMethodHeader);
  for (auto it = range.first; it != range.second; ++it) {
    info.methods.push_back(absl::AsciiStrToLower(it->second));
  }
  int milliseconds = 0;
  if (absl::SimpleAtoi(First(headers, kHealthHeader), &milliseconds) &&
      milliseconds >= kMinHealthMilliseconds) {
    info.health_timeout = absl::Milliseconds(milliseconds);
  }
  return info;
}

Session::Session(SessionInfo info, std::shared_ptr<grpc::Channel> channel)
    : info_(std::move(info)), channel_(std::move(channel)), closed_token_(closed_.token()) {}

Session::~Session() = default;

bool Session::Supports(string_view method) const {
  const std::string wanted = absl::AsciiStrToLower(method);
  return std::find(info_.methods.begin(), info_.methods.end(), wanted) != info_.methods.end();
}

void Session::Close(string_view reason) { closed_.Cancel(reason); }

}  // namespace cairn::session
