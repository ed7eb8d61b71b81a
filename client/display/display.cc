#include "client/display/display.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "client/display/plain_display.h"
#include "client/display/raw_json_display.h"
#include "client/display/text.h"
#include "client/display/tty_display.h"

namespace cairn::client {
namespace {

// Shows nothing but what went wrong.
class QuietDisplay final : public Display {
 public:
  void Update(const moby::buildkit::v1::StatusResponse& message) override { model_.Apply(message); }
  void Finish(const Status& result) override {
    if (!result.ok()) {
      std::fputs(FailureReport(model_).c_str(), stderr);
    }
  }

 private:
  ProgressModel model_;
};

}  // namespace

StatusOr<DisplayMode> ParseDisplayMode(string_view text) {
  if (text == "auto" || text.empty()) {
    return DisplayMode::kAuto;
  }
  if (text == "plain") {
    return DisplayMode::kPlain;
  }
  if (text == "tty") {
    return DisplayMode::kTty;
  }
  if (text == "quiet" || text == "none") {
    return DisplayMode::kQuiet;
  }
  if (text == "rawjson") {
    return DisplayMode::kRawJson;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("progress \"", text, "\": want auto, plain, tty, quiet, none or rawjson"));
}

std::unique_ptr<Display> MakeDisplay(DisplayMode mode) {
  switch (mode) {
    case DisplayMode::kAuto:
      return MakeDisplay(::isatty(STDERR_FILENO) != 0 ? DisplayMode::kTty : DisplayMode::kPlain);
    case DisplayMode::kPlain:
      return std::make_unique<PlainDisplay>(stderr);
    case DisplayMode::kTty:
      return std::make_unique<TtyDisplay>(stderr);
    case DisplayMode::kQuiet:
      return std::make_unique<QuietDisplay>();
    case DisplayMode::kRawJson:
      return std::make_unique<RawJsonDisplay>(stderr);
  }
  return nullptr;
}

}  // namespace cairn::client
