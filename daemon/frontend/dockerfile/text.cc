#include "daemon/frontend/dockerfile/text.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daemon/frontend/dockerfile/location.h"
#include "runtime/base/fields.h"

namespace cairn::dockerfile {
namespace {

bool IsBlank(char c) { return c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == ' '; }

size_t EditDistance(string_view a, string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

// Nanoseconds of a Go duration unit, 0 when unknown.
double UnitNanoseconds(string_view unit) {
  if (unit == "ns") return 1;
  if (unit == "us" || unit == "\xC2\xB5s" || unit == "\xCE\xBCs") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit == "s") return 1e9;
  if (unit == "m") return 60e9;
  if (unit == "h") return 3600e9;
  return 0;
}

}  // namespace

bool IsSpace(char c) { return c == '\n' || IsBlank(c); }

bool IsUtf8(string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t length = first < 0x80                    ? 1
                          : first >= 0xC2 && first < 0xE0 ? 2
                          : first >= 0xE0 && first < 0xF0 ? 3
                          : first >= 0xF0 && first < 0xF5 ? 4
                                                          : 0;
    if (length == 0 || i + length > text.size()) {
      return false;
    }
    uint32_t value = length == 1 ? first : first & (0xFF >> (length + 1));
    for (size_t j = 1; j < length; ++j) {
      const auto next = static_cast<unsigned char>(text[i + j]);
      if ((next & 0xC0) != 0x80) {
        return false;
      }
      value = (value << 6) | (next & 0x3F);
    }
    const bool is_overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    if (is_overlong || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
      return false;
    }
    i += length;
  }
  return true;
}

std::string Quote(string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        quoted += "\\\"";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\a':
        quoted += "\\a";
        break;
      case '\b':
        quoted += "\\b";
        break;
      case '\f':
        quoted += "\\f";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '\v':
        quoted += "\\v";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          absl::StrAppendFormat(&quoted, "\\x%02x", static_cast<unsigned char>(c));
        } else {
          quoted += c;
        }
    }
  }
  return quoted + "\"";
}

std::vector<std::string> SplitBlanks(string_view text, size_t limit) {
  std::vector<std::string> parts;
  while (limit == 0 || parts.size() + 1 < limit) {
    const auto blank = std::find_if(text.begin(), text.end(), IsBlank);
    if (blank == text.end()) {
      break;
    }
    const auto next = std::find_if_not(blank, text.end(), IsBlank);
    parts.emplace_back(text.begin(), blank);
    text.remove_prefix(next - text.begin());
  }
  parts.emplace_back(text);
  return parts;
}

StatusOr<bool> ParseBool(string_view text) {
  const std::optional<bool> value = ParseGoBool(text);
  if (value) {
    return *value;
  }
  return Error(absl::StrCat("strconv.ParseBool: parsing ", Quote(text), ": invalid syntax"));
}

StatusOr<absl::Duration> ParseDuration(string_view text) {
  const Status invalid = Error(absl::StrCat("time: invalid duration ", Quote(text)));
  string_view rest = text;
  bool negative = false;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  if (rest == "0") {
    return absl::ZeroDuration();
  }
  if (rest.empty()) {
    return invalid;
  }
  double total = 0;
  while (!rest.empty()) {
    const auto is_number = [](char c) { return absl::ascii_isdigit(c) || c == '.'; };
    const size_t digits = std::find_if_not(rest.begin(), rest.end(), is_number) - rest.begin();
    double value = 0;
    if (digits == 0 || !absl::SimpleAtod(rest.substr(0, digits), &value)) {
      return invalid;
    }
    rest.remove_prefix(digits);
    const size_t letters = std::find_if(rest.begin(), rest.end(), is_number) - rest.begin();
    const string_view unit = rest.substr(0, letters);
    if (unit.empty()) {
      return Error(absl::StrCat("time: missing unit in duration ", Quote(text)));
    }
    const double nanoseconds = UnitNanoseconds(unit);
    if (nanoseconds == 0) {
      return Error(absl::StrCat("time: unknown unit ", Quote(unit), " in duration ", Quote(text)));
    }
    total += value * nanoseconds;
    rest.remove_prefix(letters);
  }
  if (total >= 9.2e18) {
    return invalid;
  }
  const absl::Duration duration = absl::Nanoseconds(static_cast<int64_t>(std::llround(total)));
  return negative ? -duration : duration;
}

StatusOr<int64_t> ParseMemorySize(string_view text) {
  const Status invalid = Error(absl::StrCat("invalid size: '", text, "'"));
  const auto is_number = [](char c) { return absl::ascii_isdigit(c) || c == '.'; };
  const size_t digits = std::find_if_not(text.begin(), text.end(), is_number) - text.begin();
  double value = 0;
  if (digits == 0 || !absl::SimpleAtod(text.substr(0, digits), &value)) {
    return invalid;
  }
  std::string unit = absl::AsciiStrToLower(absl::StripAsciiWhitespace(text.substr(digits)));
  if (!unit.empty() && unit != "b") {
    const size_t power = string_view("kmgtp").find(unit[0]);
    const string_view rest = string_view(unit).substr(1);
    if (power == string_view::npos || (!rest.empty() && rest != "b" && rest != "ib")) {
      return invalid;
    }
    value *= std::pow(1024.0, static_cast<double>(power + 1));
  }
  if (value >= 9.2e18) {
    return invalid;
  }
  return static_cast<int64_t>(value);
}

std::string Suggest(string_view value, const std::vector<std::string>& options,
                    bool case_sensitive) {
  const std::string wanted = case_sensitive ? std::string(value) : absl::AsciiStrToLower(value);
  std::string best;
  size_t best_distance = 3;
  for (const std::string& given : options) {
    const std::string option = case_sensitive ? given : absl::AsciiStrToLower(given);
    if (option == wanted) {
      return "";
    }
    const size_t distance = EditDistance(wanted, option);
    if (distance < best_distance) {
      best = option;
      best_distance = distance;
    }
  }
  if (!case_sensitive && value == absl::AsciiStrToUpper(value) &&
      value != absl::AsciiStrToLower(value)) {
    return absl::AsciiStrToUpper(best);
  }
  return best;
}

Status WithSuggestion(const Status& status, string_view value,
                      const std::vector<std::string>& options, bool case_sensitive) {
  const std::string match = Suggest(value, options, case_sensitive);
  if (status.ok() || match.empty()) {
    return status;
  }
  return WithMessage(status, absl::StrCat(status.message(), " (did you mean ", match, "?)"));
}

}  // namespace cairn::dockerfile
