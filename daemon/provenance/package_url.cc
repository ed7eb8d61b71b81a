#include "daemon/provenance/package_url.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace cairn::provenance {
namespace {

// What a version and a qualifier's value keep besides unreserved characters.
constexpr string_view kSegment = "$&+=:@";

// Percent-encodes all but unreserved characters (RFC 3986, section 2.3) and those of `keep`.
std::string Escape(string_view text, string_view keep) {
  std::string out;
  for (const char c : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
        string_view("-_.~").find(c) != string_view::npos || keep.find(c) != string_view::npos) {
      out.push_back(c);
    } else {
      absl::StrAppend(&out, absl::StrFormat("%%%02X", static_cast<unsigned char>(c)));
    }
  }
  return out;
}

}  // namespace

std::string ImagePackageUrl(string_view type, const registry::ImageReference& reference,
                            const std::optional<Platform>& platform) {
  std::vector<std::string> qualifiers;
  if (reference.digest().has_value()) {
    qualifiers.push_back(absl::StrCat("digest=", Escape(reference.digest()->ToString(), kSegment)));
  }
  const std::string& tag = reference.tag();
  std::string name = reference.Familiar();
  name = name.substr(0, name.find('@'));
  if (!tag.empty()) {
    name.resize(name.size() - tag.size() - 1);
  }
  std::vector<std::string> parts = absl::StrSplit(name, '/');
  for (std::string& part : parts) {
    part = Escape(part, "");
  }
  if (platform.has_value()) {
    qualifiers.push_back(
        absl::StrCat("platform=", Escape(platform->Normalized().ToString(), kSegment)));
  }
  std::string url = absl::StrCat("pkg:", type, "/", absl::StrJoin(parts, "/"));
  if (!tag.empty()) {
    absl::StrAppend(&url, "@", Escape(tag, kSegment));
  }
  if (!qualifiers.empty()) {
    absl::StrAppend(&url, "?", absl::StrJoin(qualifiers, "&"));
  }
  return url;
}

}  // namespace cairn::provenance
