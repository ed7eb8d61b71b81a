#include "client/display/text.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace cairn::client {
namespace {

constexpr size_t kFailureLines = 40;

}  // namespace

std::string FormatSeconds(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds < 60) {
    return absl::StrFormat("%.1fs", seconds);
  }
  const int64_t whole = absl::ToInt64Seconds(duration);
  return absl::StrFormat("%dm%02ds", whole / 60, whole % 60);
}

std::string FormatBytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? absl::StrCat(bytes, "B") : absl::StrFormat("%.4g%s", value, kUnits[unit]);
}

std::string FormatAge(absl::Duration age) {
  constexpr int64_t kHour = 3600;
  constexpr int64_t kDay = 24 * kHour;
  struct Unit {
    int64_t seconds;
    int64_t used_until;  // seconds
    const char* name;
  };
  // From two of a unit on, so that there is no singular.
  constexpr Unit kUnits[] = {{1, 120, "seconds"},
                             {60, 2 * kHour, "minutes"},
                             {kHour, 2 * kDay, "hours"},
                             {kDay, 14 * kDay, "days"},
                             {7 * kDay, 60 * kDay, "weeks"},
                             {30 * kDay, 2 * 365 * kDay, "months"}};
  const int64_t seconds = std::max<int64_t>(absl::ToInt64Seconds(age), 0);
  for (const Unit& unit : kUnits) {
    if (seconds < unit.used_until) {
      return absl::StrCat(seconds / unit.seconds, " ", unit.name, " ago");
    }
  }
  return absl::StrCat(seconds / (365 * kDay), " years ago");
}

std::string FormatTask(const TaskView& task, absl::Time now) {
  std::string out = task.id;
  if (!task.name.empty() && task.name != task.id && !absl::StartsWith(task.id, task.name)) {
    out = absl::StrCat(task.name, " ", task.id);
  }
  if (task.total > 0) {
    absl::StrAppend(&out, " ", FormatBytes(task.current), " / ", FormatBytes(task.total));
  } else if (task.current > 0) {
    absl::StrAppend(&out, " ", FormatBytes(task.current));
  }
  if (task.started.has_value()) {
    const absl::Duration elapsed = task.completed.value_or(now) - *task.started;
    if (elapsed >= absl::Milliseconds(50)) {
      absl::StrAppend(&out, " ", FormatSeconds(elapsed));
    }
  }
  return task.completed.has_value() ? out + " done" : out;
}

std::string FailureReport(const ProgressModel& model) {
  std::string out;
  for (const auto& [digest, vertex] : model.vertices()) {
    if (vertex.error.empty() || absl::EndsWith(vertex.error, "context canceled")) {
      continue;
    }
    absl::StrAppend(&out, "------\n > ", vertex.name, ":\n");
    const size_t skip = vertex.tail.size() - std::min(vertex.tail.size(), kFailureLines);
    for (size_t i = skip; i < vertex.tail.size(); ++i) {
      absl::StrAppend(&out, vertex.tail[i], "\n");
    }
    if (!vertex.unfinished_line.empty()) {
      absl::StrAppend(&out, vertex.unfinished_line, "\n");
    }
    absl::StrAppend(&out, "------\n");
  }
  return out;
}

std::string WarningReport(const ProgressModel& model) {
  if (model.warnings().empty()) {
    return "";
  }
  const size_t count = model.warnings().size();
  std::string out = absl::StrCat("\n ", count, count == 1 ? " warning" : " warnings", " found:\n");
  for (const auto& warning : model.warnings()) {
    absl::StrAppend(&out, " - ", warning.short_());
    if (warning.ranges_size() > 0) {
      absl::StrAppend(&out, " (line ", warning.ranges(0).start().line(), ")");
    }
    out += "\n";
  }
  return out;
}

}  // namespace cairn::client
