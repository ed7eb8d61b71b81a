#include "runtime/sandbox/signals.h"

#include <signal.h>
#include <string.h>

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn::sandbox {

StatusOr<int> ParseSignal(string_view text) {
  int number = 0;
  if (absl::SimpleAtoi(text, &number)) {
    if (number > 0 && number < NSIG) {
      return number;
    }
    return absl::InvalidArgumentError(absl::StrCat("invalid signal ", text));
  }
  const std::string upper = absl::AsciiStrToUpper(text);
  const string_view name = absl::StripPrefix(upper, "SIG");
  for (number = 1; number < NSIG; ++number) {
    const char* abbreviation = ::sigabbrev_np(number);
    if (abbreviation != nullptr && name == abbreviation) {
      return number;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat("invalid signal ", text));
}

}  // namespace cairn::sandbox
