#include "daemon/frontend/dockerfile/location.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::dockerfile {
namespace {

// Payload text: locations separated by ';', ranges by ',', each "line.char-line.char".
constexpr char kPayload[] = "cairn/dockerfile-location";

std::string Encode(const Ranges& ranges) {
  std::string text;
  for (const Range& range : ranges) {
    absl::StrAppend(&text, text.empty() ? "" : ",", range.start.line, ".", range.start.character,
                    "-", range.end.line, ".", range.end.character);
  }
  return text;
}

Ranges Decode(string_view text) {
  Ranges ranges;
  for (string_view part : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::vector<std::string> numbers = absl::StrSplit(part, absl::ByAnyChar(".-"));
    Range range;
    if (numbers.size() == 4 && absl::SimpleAtoi(numbers[0], &range.start.line) &&
        absl::SimpleAtoi(numbers[1], &range.start.character) &&
        absl::SimpleAtoi(numbers[2], &range.end.line) &&
        absl::SimpleAtoi(numbers[3], &range.end.character)) {
      ranges.push_back(range);
    }
  }
  return ranges;
}

std::string PayloadOf(const Status& status) {
  const auto payload = status.GetPayload(kPayload);
  return payload.has_value() ? std::string(*payload) : std::string();
}

}  // namespace

Status Error(string_view message) { return absl::UnknownError(message); }

Ranges LineRanges(int start, int end) {
  Ranges ranges;
  for (int line = start; line == start || line <= end; ++line) {
    ranges.push_back(Range{{line, 0}, {line, 0}});
  }
  return ranges;
}

Status WithLocation(const Status& status, const Ranges& ranges) {
  if (status.ok()) {
    return status;
  }
  Status located = status;
  const std::string before = PayloadOf(status);
  located.SetPayload(
      kPayload,
      absl::Cord(before.empty() ? Encode(ranges) : absl::StrCat(before, ";", Encode(ranges))));
  return located;
}

Status SetLocation(const Status& status, const Ranges& ranges) {
  if (status.ok()) {
    return status;
  }
  Status located = status;
  located.SetPayload(kPayload, absl::Cord(Encode(ranges)));
  return located;
}

std::vector<Ranges> LocationsOf(const Status& status) {
  std::vector<Ranges> locations;
  const std::string text = PayloadOf(status);
  for (string_view part : absl::StrSplit(text, ';', absl::SkipEmpty())) {
    locations.push_back(Decode(part));
  }
  return locations;
}

Status WithMessage(const Status& status, string_view message) {
  Status changed(status.code(), message);
  status.ForEachPayload(
      [&](string_view url, const absl::Cord& payload) { changed.SetPayload(url, payload); });
  return changed;
}

}  // namespace cairn::dockerfile
