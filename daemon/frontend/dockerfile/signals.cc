#include "daemon/frontend/dockerfile/signals.h"

#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace cairn::dockerfile {
namespace {

std::set<std::string> MakeNames() {
  std::set<std::string> names = {
      "ABRT", "ALRM",   "BUS",  "CHLD",   "CLD",   "CONT", "FPE",  "HUP",   "ILL",
      "INT",  "IO",     "IOT",  "KILL",   "PIPE",  "POLL", "PROF", "PWR",   "QUIT",
      "SEGV", "STKFLT", "STOP", "SYS",    "TERM",  "TRAP", "TSTP", "TTIN",  "TTOU",
      "URG",  "USR1",   "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX"};
  for (int i = 1; i <= 15; ++i) {
    names.insert(absl::StrCat("RTMIN+", i));
  }
  for (int i = 1; i <= 14; ++i) {
    names.insert(absl::StrCat("RTMAX-", i));
  }
  return names;
}

}  // namespace

bool IsSignal(absl::string_view text) {
  int number = 0;
  if (absl::SimpleAtoi(text, &number)) {
    return number > 0;
  }
  static const std::set<std::string> names = MakeNames();
  std::string name = absl::AsciiStrToUpper(text);
  if (absl::StartsWith(name, "SIG")) {
    name.erase(0, 3);
  }
  return names.count(name) > 0;
}

}  // namespace cairn::dockerfile
