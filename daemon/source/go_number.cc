#include "daemon/source/go_number.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::source {

StatusOr<uint32_t> ParseGoNumber(const std::string& attribute, const std::string& text) {
  try {
    size_t used = 0;
    const bool octal = absl::StartsWith(text, "0o");
    const unsigned long value = std::stoul(octal ? text.substr(2) : text, &used, octal ? 8 : 0);
    if (used + (octal ? 2 : 0) == text.size() && value <= UINT32_MAX) {
      return static_cast<uint32_t>(value);
    }
  } catch (const std::exception&) {
  }
  return absl::InvalidArgumentError(
      absl::StrCat("attribute ", attribute, ": \"", text, "\" is no number"));
}

}  // namespace cairn::source
