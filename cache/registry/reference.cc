#include "cache/registry/reference.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::registry {
namespace {

constexpr char kDefaultHost[] = "docker.io";
constexpr char kOldDefaultHost[] = "index.docker.io";
constexpr char kOfficial[] = "library/";
constexpr size_t kMaxName = 255;
constexpr size_t kMaxTag = 128;

bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }
bool IsLowerAlnum(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c)) ||
         absl::ascii_isdigit(static_cast<unsigned char>(c));
}

Status BadReference(string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("invalid reference format: \"", text.substr(0, 300), "\""));
}

// host: dotted labels or a bracketed IPv6 address, with an optional port.
bool IsHost(string_view text) {
  string_view host = text;
  if (absl::StartsWith(text, "[")) {
    const size_t end = text.find(']');
    if (end == string_view::npos || end == 1) {
      return false;
    }
    for (const char c : text.substr(1, end - 1)) {
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(c)) && c != ':') {
        return false;
      }
    }
    host = text.substr(end + 1);
    if (host.empty()) {
      return true;
    }
  }
  const size_t colon = host.find(':');
  if (colon != string_view::npos) {
    const string_view port = host.substr(colon + 1);
    if (port.empty() || port.find_first_not_of("0123456789") != string_view::npos) {
      return false;
    }
    host = host.substr(0, colon);
    if (host.empty()) {
      return absl::StartsWith(text, "[");
    }
  }
  for (const string_view label : absl::StrSplit(host, '.')) {
    if (label.empty() || label.front() == '-' || label.back() == '-' ||
        !std::all_of(label.begin(), label.end(), [](char c) { return IsAlnum(c) || c == '-'; })) {
      return false;
    }
  }
  return true;
}

// alphanumerics, with ".", "_", "__" or dashes between them.
bool IsPathComponent(string_view text) {
  if (text.empty() || !IsLowerAlnum(text.front()) || !IsLowerAlnum(text.back())) {
    return false;
  }
  for (size_t i = 0; i < text.size();) {
    if (IsLowerAlnum(text[i])) {
      ++i;
      continue;
    }
    const size_t end = std::find_if(text.begin() + i, text.end(), IsLowerAlnum) - text.begin();
    const string_view separator = text.substr(i, end - i);
    const bool dashes = separator.find_first_not_of('-') == string_view::npos;
    if (!dashes && separator != "." && separator != "_" && separator != "__") {
      return false;
    }
    i = end;
  }
  return true;
}

bool IsTag(string_view text) {
  return !text.empty() && text.size() <= kMaxTag && (IsAlnum(text[0]) || text[0] == '_') &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAlnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool IsHexId(string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == string_view::npos;
}

// Splits off the host, if the first component is one.
void SplitHost(string_view text, std::string& host, std::string& rest) {
  const size_t slash = text.find('/');
  const string_view first = text.substr(0, slash);
  const bool is_host = slash != string_view::npos &&
                       (first == "localhost" || first.find_first_of(".:[") != string_view::npos ||
                        absl::AsciiStrToLower(first) != first);
  host = is_host ? std::string(first) : kDefaultHost;
  rest = std::string(is_host ? text.substr(slash + 1) : text);
  if (host == kOldDefaultHost) {
    host = kDefaultHost;
  }
  const string_view path = string_view(rest).substr(0, rest.find_first_of(":@"));
  if (host == kDefaultHost && path.find('/') == string_view::npos) {
    rest = absl::StrCat(kOfficial, rest);
  }
}

}  // namespace

StatusOr<ImageReference> ImageReference::Parse(string_view text) {
  if (IsHexId(text)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "invalid repository name (", text, "), cannot specify 64-byte hexadecimal strings"));
  }
  ImageReference reference;
  std::string rest;
  SplitHost(text, reference.host_, rest);
  if (!IsHost(reference.host_)) {
    return BadReference(text);
  }
  if (const size_t at = rest.find('@'); at != std::string::npos) {
    const StatusOr<Digest> digest = Digest::Parse(string_view(rest).substr(at + 1));
    if (!digest.ok()) {
      return Annotate(digest.status(), absl::StrCat("invalid reference format: \"", text, "\""));
    }
    reference.digest_ = *digest;
    rest.resize(at);
  }
  if (const size_t colon = rest.find(':'); colon != std::string::npos) {
    reference.tag_ = rest.substr(colon + 1);
    rest.resize(colon);
    if (!IsTag(reference.tag_)) {
      return BadReference(text);
    }
  }
  if (absl::AsciiStrToLower(rest) != rest) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid reference format: repository name (", rest, ") must be lowercase"));
  }
  for (const string_view component : absl::StrSplit(rest, '/')) {
    if (!IsPathComponent(component)) {
      return BadReference(text);
    }
  }
  if (reference.host_.size() + 1 + rest.size() > kMaxName) {
    return absl::InvalidArgumentError(
        absl::StrCat("repository name must not be more than ", kMaxName, " characters"));
  }
  reference.repository_ = rest;
  if (reference.tag_.empty() && !reference.digest_.has_value()) {
    reference.tag_ = "latest";
  }
  return reference;
}

std::string ImageReference::name() const { return absl::StrCat(host_, "/", repository_); }

std::string ImageReference::ToString() const {
  return absl::StrCat(name(), tag_.empty() ? "" : ":", tag_, digest_.has_value() ? "@" : "",
                      digest_.has_value() ? digest_->ToString() : "");
}

std::string ImageReference::Familiar() const {
  const std::string whole = ToString();
  string_view rest = whole;
  if (host_ == kDefaultHost) {
    rest.remove_prefix(host_.size() + 1);
    if (absl::StartsWith(repository_, kOfficial) &&
        repository_.find('/', sizeof kOfficial - 1) == std::string::npos) {
      rest.remove_prefix(sizeof kOfficial - 1);
    }
  }
  return std::string(rest);
}

ImageReference ImageReference::WithDigest(const Digest& digest) const {
  ImageReference copy = *this;
  copy.digest_ = digest;
  return copy;
}

ImageReference ImageReference::WithoutDigest() const {
  ImageReference copy = *this;
  copy.digest_.reset();
  if (copy.tag_.empty()) {
    copy.tag_ = "latest";
  }
  return copy;
}

ImageReference ImageReference::WithoutTag() const {
  ImageReference copy = *this;
  copy.tag_.clear();
  return copy;
}

}  // namespace cairn::registry
