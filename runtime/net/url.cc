#include "runtime/net/url.h"

#include <curl/curl.h>

#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace cairn::net {
namespace {

constexpr char kMask[] = "xxxxx";

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, FreeUrl>;

// A part of the URL; empty when absent.
std::string Part(CURLU* handle, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(handle, part, &text, flags) != CURLUE_OK || text == nullptr) {
    return "";
  }
  std::string result = text;
  curl_free(text);
  return result;
}

bool HasControl(string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '\\') {
      return true;
    }
  }
  return false;
}

StatusOr<Url> FromHandle(CURLU* handle, string_view text) {
  Url url;
  url.scheme = absl::AsciiStrToLower(Part(handle, CURLUPART_SCHEME));
  if (url.scheme != "http" && url.scheme != "https") {
    return absl::InvalidArgumentError(
        absl::StrCat("URL with the scheme \"", url.scheme, "\": only http and https are spoken"));
  }
  if (!Part(handle, CURLUPART_USER).empty() || !Part(handle, CURLUPART_PASSWORD).empty()) {
    return absl::InvalidArgumentError("URL with user information");
  }
  url.host = absl::AsciiStrToLower(Part(handle, CURLUPART_HOST));
  uint32_t port = 0;
  if (url.host.empty() ||
      !absl::SimpleAtoi(Part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT), &port) || port == 0 ||
      port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("bad URL \"", text.substr(0, 200), "\""));
  }
  url.port = static_cast<uint16_t>(port);
  url.path = Part(handle, CURLUPART_PATH);
  if (url.path.empty()) {
    url.path = "/";
  }
  url.query = Part(handle, CURLUPART_QUERY);
  return url;
}

StatusOr<UrlHandle> ParseInto(string_view text, UrlHandle handle) {
  if (handle == nullptr) {
    return absl::ResourceExhaustedError("URL: no memory");
  }
  if (text.size() > 16384 || HasControl(text)) {
    return absl::InvalidArgumentError("URL that is too long or has characters it must not have");
  }
  const CURLUcode result = curl_url_set(handle.get(), CURLUPART_URL, std::string(text).c_str(),
                                        CURLU_NON_SUPPORT_SCHEME | CURLU_PATH_AS_IS);
  if (result != CURLUE_OK) {
    return absl::InvalidArgumentError(
        absl::StrCat("bad URL \"", text.substr(0, 200), "\": ", curl_url_strerror(result)));
  }
  return handle;
}

}  // namespace

StatusOr<Url> Url::Parse(string_view text) {
  ASSIGN_OR_RETURN(const UrlHandle handle, ParseInto(text, UrlHandle(curl_url())));
  return FromHandle(handle.get(), text);
}

StatusOr<Url> Url::Resolve(string_view reference) const {
  ASSIGN_OR_RETURN(UrlHandle base, ParseInto(ToString(), UrlHandle(curl_url())));
  ASSIGN_OR_RETURN(const UrlHandle handle, ParseInto(reference, std::move(base)));
  return FromHandle(handle.get(), reference);
}

std::string Url::authority() const {
  const bool usual = port == (scheme == "https" ? 443 : 80);
  return usual ? host : absl::StrCat(host, ":", port);
}

std::string Url::origin() const { return absl::StrCat(scheme, "://", host, ":", port); }

std::string Url::ForMessage() const { return absl::StrCat(scheme, "://", authority(), path); }

std::string Url::ToString() const {
  return query.empty() ? ForMessage() : absl::StrCat(ForMessage(), "?", query);
}

bool Url::IsLoopback() const {
  if (host == "localhost" || absl::EndsWith(host, ".localhost") || host == "[::1]") {
    return true;
  }
  return absl::StartsWith(host, "127.") &&
         host.find_first_not_of("0123456789.") == std::string::npos;
}

std::string EscapeQuery(string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' ||
        c == '~') {
      escaped += c;
    } else {
      absl::StrAppendFormat(&escaped, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

std::string PercentDecode(string_view text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) &&
        absl::ascii_isxdigit(text[i + 2])) {
      out += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string RedactCredentials(const std::string& url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string::npos) {
    return url;
  }
  const size_t start = scheme + 3;
  const size_t end = url.find_first_of("/?#", start);
  const std::string authority = url.substr(start, end - start);
  const size_t at = authority.rfind('@');
  if (at == std::string::npos || at == 0) {
    return url;
  }
  const size_t colon = authority.substr(0, at).find(':');
  std::string user = colon == 0 ? "" : kMask;
  if (colon != std::string::npos) {
    absl::StrAppend(&user, ":", kMask);
  }
  return absl::StrCat(url.substr(0, start), user, authority.substr(at),
                      end == std::string::npos ? "" : url.substr(end));
}

}  // namespace cairn::net
