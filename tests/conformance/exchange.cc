#include "tests/conformance/exchange.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "runtime/base/fd.h"

namespace cairn::conformance {
namespace {

// Takes one line, "<event> <call> [rest]".
Status TakeLine(const std::string& line, Exchange& exchange, std::vector<int>& ended) {
  const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(' ', 2));
  const std::string rest = parts.size() > 2 ? parts[2] : "";
  int number = 0;
  if (parts.size() < 2 || !absl::SimpleAtoi(parts[1], &number)) {
    return absl::InvalidArgumentError(absl::StrCat("no event: ", line));
  }
  if (parts[0] == "call") {
    exchange.calls.push_back({.number = number, .method = rest, .after = ended});
    return absl::OkStatus();
  }
  const auto call = std::find_if(exchange.calls.begin(), exchange.calls.end(),
                                 [number](const RecordedCall& c) { return c.number == number; });
  if (call == exchange.calls.end()) {
    return absl::InvalidArgumentError(absl::StrCat("no such call: ", line));
  }
  if (parts[0] == "header") {
    const std::pair<std::string, std::string> header =
        absl::StrSplit(rest, absl::MaxSplits(' ', 1));
    call->headers.push_back(header);
  } else if (parts[0] == "send") {
    std::string bytes;
    if (!absl::Base64Unescape(rest, &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat("no base64: ", line));
    }
    call->messages.push_back(std::move(bytes));
  } else if (parts[0] == "ref") {
    call->refs.push_back(rest);
  } else if (parts[0] == "half") {
    call->before_end = ended;
  } else if (parts[0] == "end") {
    ended.push_back(number);
  } else if (parts[0] != "gone") {
    return absl::InvalidArgumentError(absl::StrCat("unknown event: ", line));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> RecordedCall::Headers(const std::string& name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : headers) {
    if (key == name) {
      values.push_back(value);
    }
  }
  return values;
}

StatusOr<Exchange> Exchange::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  Exchange exchange;
  std::vector<int> ended;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  for (const std::string& line : lines) {
    if (line[0] == '#') {
      exchange.command = line.substr(2);
    } else {
      RETURN_IF_ERROR_IN(TakeLine(line, exchange, ended), path);
    }
  }
  return exchange;
}

}  // namespace cairn::conformance
