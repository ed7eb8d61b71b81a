// Linter: decides which build checks count, and reports the ones that fail.
//
// Options come from "# check=" at the top of the file or a build argument, and for one instruction
// also from a "check=" comment right before it. Copies share the list of rules that were violated.
// Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/lint_rules.h"
#include "daemon/frontend/dockerfile/location.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct LintOptions {
  bool skip_all = false;
  std::set<std::string> skipped;
  bool experimental_all = false;
  std::set<std::string> experimental;
  bool is_error = false;  // any violation fails the build, after all were reported

  // Parses "skip=A,B;error=true;experimental=all".
  static StatusOr<LintOptions> Parse(string_view text);
};

struct LintWarning {
  const LintRule* rule = nullptr;
  std::string message;
  Ranges location;
};

class Linter {
 public:
  using Sink = std::function<void(const LintWarning&)>;

  // Reports nothing.
  Linter() = default;
  Linter(LintOptions options, Sink sink);

  // Reports `rule` as violated at `location`, unless it is switched off.
  void Report(const LintRule& rule, const Ranges& location, string_view message) const;

  // This linter with the options of the first "check=.." among `comments` added.
  Linter WithComments(const std::vector<std::string>& comments) const;

  // "lint violation found for rules: .." when options say that violations are errors.
  Status Result() const;

 private:
  struct Shared {
    Sink sink;
    std::set<std::string> violated;
  };
  LintOptions options_;
  std::shared_ptr<Shared> shared_;  // of all copies; null: reports nothing
};

}  // namespace cairn::dockerfile
