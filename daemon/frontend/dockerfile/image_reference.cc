#include "daemon/frontend/dockerfile/image_reference.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace cairn::dockerfile {
namespace {

constexpr char kDefaultDomain[] = "docker.io";
constexpr char kLegacyDomain[] = "index.docker.io";
constexpr char kOfficialPrefix[] = "library/";
constexpr size_t kMaxName = 255;

Status Invalid() { return absl::InvalidArgumentError("invalid reference format"); }

bool IsLowerOrDigit(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }
bool IsWord(char c) { return absl::ascii_isalnum(c) || c == '_'; }

// Runs of [a-z0-9] joined by '.', '_', "__" or any number of '-'.
bool IsPathComponent(string_view text) {
  size_t i = 0;
  while (true) {
    const size_t start = i;
    while (i < text.size() && IsLowerOrDigit(text[i])) {
      ++i;
    }
    if (i == start) {
      return false;
    }
    if (i == text.size()) {
      return true;
    }
    if (text[i] == '.') {
      ++i;
    } else if (text[i] == '_') {
      i += text.substr(i, 2) == "__" ? 2 : 1;
    } else if (text[i] == '-') {
      while (i < text.size() && text[i] == '-') {
        ++i;
      }
    } else {
      return false;
    }
  }
}

bool IsDomain(string_view text) {
  string_view host = text;
  const bool is_v6 = absl::StartsWith(text, "[");
  const size_t colon = is_v6 ? text.find("]:") : text.rfind(':');
  if (colon != string_view::npos) {
    const size_t port_at = colon + (is_v6 ? 2 : 1);
    const string_view port = text.substr(port_at);
    if (port.empty() || !std::all_of(port.begin(), port.end(), absl::ascii_isdigit)) {
      return false;
    }
    host = text.substr(0, is_v6 ? colon + 1 : colon);
  }
  if (is_v6) {
    return absl::EndsWith(host, "]") && host.size() > 2 &&
           std::all_of(host.begin() + 1, host.end() - 1,
                       [](char c) { return absl::ascii_isxdigit(c) || c == ':'; });
  }
  for (const string_view part : absl::StrSplit(host, '.')) {
    const bool is_valid = !part.empty() && part.front() != '-' && part.back() != '-' &&
                          std::all_of(part.begin(), part.end(),
                                      [](char c) { return absl::ascii_isalnum(c) || c == '-'; });
    if (!is_valid) {
      return false;
    }
  }
  return true;
}

bool IsTag(string_view text) {
  return !text.empty() && text.size() <= 128 && IsWord(text[0]) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsWord(c) || c == '.' || c == '-'; });
}

bool IsDigest(string_view text) {
  const size_t colon = text.find(':');
  if (colon == string_view::npos || colon == 0 || !absl::ascii_isalpha(text[0])) {
    return false;
  }
  const string_view hex = text.substr(colon + 1);
  return hex.size() >= 32 && std::all_of(hex.begin(), hex.end(), absl::ascii_isxdigit);
}

}  // namespace

StatusOr<ImageReference> ImageReference::Parse(string_view text) {
  if (text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
      })) {
    return absl::InvalidArgumentError(absl::StrCat(
        "invalid repository name (", text, "), cannot specify 64-byte hexadecimal strings"));
  }
  ImageReference reference;
  string_view rest = text;
  const size_t slash = text.find('/');
  const string_view first = text.substr(0, slash == string_view::npos ? 0 : slash);
  const bool has_domain =
      !first.empty() && (first.find_first_of(".:") != string_view::npos || first == "localhost" ||
                         std::any_of(first.begin(), first.end(), absl::ascii_isupper));
  reference.domain = has_domain ? std::string(first) : kDefaultDomain;
  if (has_domain) {
    rest.remove_prefix(slash + 1);
  }
  if (reference.domain == kLegacyDomain) {
    reference.domain = kDefaultDomain;
  }
  const size_t at = rest.find('@');
  if (at != string_view::npos) {
    reference.digest = std::string(rest.substr(at + 1));
    rest = rest.substr(0, at);
    if (!IsDigest(reference.digest)) {
      return Invalid();
    }
  }
  const size_t colon = rest.rfind(':');
  if (colon != string_view::npos && rest.find('/', colon) == string_view::npos) {
    reference.tag = std::string(rest.substr(colon + 1));
    rest = rest.substr(0, colon);
    if (!IsTag(reference.tag)) {
      return Invalid();
    }
  }
  reference.path = absl::StrCat(
      reference.domain == kDefaultDomain && rest.find('/') == string_view::npos ? kOfficialPrefix
                                                                                : "",
      rest);
  if (std::any_of(reference.path.begin(), reference.path.end(), absl::ascii_isupper)) {
    return absl::InvalidArgumentError(absl::StrCat("invalid reference format: repository name (",
                                                   reference.path, ") must be lowercase"));
  }
  if (!IsDomain(reference.domain)) {
    return Invalid();
  }
  for (const string_view component : absl::StrSplit(reference.path, '/')) {
    if (!IsPathComponent(component)) {
      return Invalid();
    }
  }
  if (reference.path.size() > kMaxName) {
    return absl::InvalidArgumentError(
        absl::StrCat("repository name must not be more than ", kMaxName, " characters"));
  }
  return reference;
}

ImageReference ImageReference::WithDefaultTag() const {
  ImageReference reference = *this;
  if (tag.empty() && digest.empty()) {
    reference.tag = "latest";
  }
  return reference;
}

std::string ImageReference::Suffix() const {
  return absl::StrCat(tag.empty() ? "" : ":", tag, digest.empty() ? "" : "@", digest);
}

std::string ImageReference::ToString() const { return absl::StrCat(domain, "/", path, Suffix()); }

std::string ImageReference::Familiar() const {
  if (domain != kDefaultDomain) {
    return ToString();
  }
  string_view name = path;
  string_view short_name = path;
  if (absl::ConsumePrefix(&short_name, kOfficialPrefix) &&
      short_name.find('/') == string_view::npos) {
    name = short_name;
  }
  return absl::StrCat(name, Suffix());
}

}  // namespace cairn::dockerfile
