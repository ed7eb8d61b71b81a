#include "runtime/net/http_message.h"

#include <curl/curl.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"

namespace cairn::net {

const std::string* FindHeader(const HttpHeaders& headers, string_view name) {
  for (const auto& header : headers) {
    if (absl::EqualsIgnoreCase(header.first, name)) {
      return &header.second;
    }
  }
  return nullptr;
}

std::optional<uint64_t> HttpResponse::content_length() const {
  const std::string* text = Header("Content-Length");
  uint64_t value = 0;
  if (text == nullptr || !absl::SimpleAtoi(*text, &value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<absl::Time> ParseHttpDate(const std::string& text) {
  const time_t seconds = curl_getdate(text.c_str(), nullptr);
  if (seconds < 0) {
    return std::nullopt;
  }
  return absl::FromTimeT(seconds);
}

}  // namespace cairn::net
