// Flags: the "--name=value" words of an instruction.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/base/status.h"

namespace cairn::dockerfile {

enum class FlagKind {
  kBool,    // --link, --link=false
  kString,  // --from=x, once
  kList,    // --exclude=x, as often as wanted
};

class Flags {
 public:
  // Which flags the instruction knows.
  explicit Flags(std::map<std::string, FlagKind> known) : known_(std::move(known)) {}

  // Reads `words`. Unknown, repeated, missing and malformed values are errors.
  Status Parse(const std::vector<std::string>& words);

  bool Has(const std::string& name) const { return values_.count(name) > 0; }
  // The value, or "" when absent. REQUIRES: a kString flag.
  std::string Value(const std::string& name) const;
  bool IsTrue(const std::string& name) const { return Value(name) == "true"; }
  std::vector<std::string> Values(const std::string& name) const;
  // Names of the flags that were given.
  std::vector<std::string> Used() const;

 private:
  std::map<std::string, FlagKind> known_;
  std::map<std::string, std::vector<std::string>> values_;
};

}  // namespace cairn::dockerfile
