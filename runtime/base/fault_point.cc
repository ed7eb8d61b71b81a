#include "runtime/base/fault_point.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn {
namespace {

struct Fault {
  std::string name;
  bool crash = false;
  int pass = 1;
  std::atomic<int> passes = 0;
};

// What CAIRN_FAULT asks for; an empty name asks for nothing.
Fault* ConfiguredFault() {
  static Fault* const fault = [] {
    auto* parsed = new Fault;
    const char* text = std::getenv("CAIRN_FAULT");
    if (text == nullptr) {
      return parsed;
    }
    const std::pair<std::string, std::string> name_action =
        absl::StrSplit(text, absl::MaxSplits('=', 1));
    const std::pair<std::string, std::string> action_pass =
        absl::StrSplit(name_action.second, absl::MaxSplits('@', 1));
    parsed->name = name_action.first;
    parsed->crash = action_pass.first == "crash";
    if (!absl::SimpleAtoi(action_pass.second, &parsed->pass)) {
      parsed->pass = 1;
    }
    return parsed;
  }();
  return fault;
}

}  // namespace

Status PassFaultPoint(string_view name) {
  Fault* fault = ConfiguredFault();
  if (fault->name != name || ++fault->passes != fault->pass) {
    return absl::OkStatus();
  }
  if (fault->crash) {
    ::kill(::getpid(), SIGKILL);
  }
  return absl::InternalError(absl::StrCat("injected fault at ", name));
}

}  // namespace cairn
