#include "runtime/sandbox/helper/reporter.h"

#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstring>

#include "runtime/sandbox/channel.h"

namespace cairn::sandbox {

std::string ErrorText(int error) {
  std::string text = std::strerror(error);
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

void Reporter::Fail(SetupStep step, const std::string& message, int error) const {
  FailureReport report;
  report.step = step;
  report.message = error == 0 ? message : message + ": " + ErrorText(error);
  SendFrame(socket_, static_cast<uint32_t>(FrameType::kFailed), Encode(report));
  ::_exit(1);
}

void Reporter::FailExec(const std::string& message, uint64_t exit_code) const {
  FailureReport report;
  report.step = SetupStep::kExec;
  report.message = message;
  report.exit_code = exit_code;
  const std::string line =
      "unable to start container process: error during container init: " + message + "\n";
  // The streams may be gone already; the report says the same.
  (void)!::write(STDERR_FILENO, line.data(), line.size());
  SendFrame(socket_, static_cast<uint32_t>(FrameType::kFailed), Encode(report));
  ::_exit(static_cast<int>(exit_code));
}

void Reporter::SendStubs(const StubReport& report, int root) const {
  const int error =
      SendFrame(socket_, static_cast<uint32_t>(FrameType::kStubs), Encode(report), {root});
  if (error != 0) {
    Fail(SetupStep::kMount, "report mount points", error);
  }
}

void Reporter::SendTerminal(int master) const {
  const int error =
      SendFrame(socket_, static_cast<uint32_t>(FrameType::kTerminal), std::string(), {master});
  if (error != 0) {
    Fail(SetupStep::kTerminal, "hand over the terminal", error);
  }
}

}  // namespace cairn::sandbox
