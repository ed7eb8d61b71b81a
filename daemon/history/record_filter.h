// The filters of ListenBuildHistory: "status==error,duration>5m", "repository~=example".
//
// Entries are OR-ed, comma-separated terms AND-ed. Fields: ref, status (running, completed, error,
// canceled) and repository with ==, != and ~= (regular expression); startedAt, completedAt and
// duration with >, >=, < and <= too. Times are RFC 3339, or a duration for "that long ago".
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proto/control.pb.h"
#include "runtime/base/status.h"

namespace cairn::history {

// An immutable value.
class RecordFilter {
 public:
  // kInvalidArgument names the term that is wrong. No expressions: every record passes.
  static StatusOr<RecordFilter> Parse(const std::vector<std::string>& expressions, absl::Time now);

  bool Matches(const moby::buildkit::v1::BuildHistoryRecord& record) const;

 private:
  struct Term {
    std::string field;
    std::string op;
    std::string text;         // of ref, status, repository
    absl::Time time;          // of startedAt, completedAt
    absl::Duration duration;  // of duration
  };
  static StatusOr<Term> ParseTerm(const std::string& expression, absl::Time now);
  bool MatchesTerm(const Term& term, const moby::buildkit::v1::BuildHistoryRecord& record) const;

  std::vector<std::vector<Term>> alternatives_;
  absl::Time now_;
};

}  // namespace cairn::history
