// SourcePolicy: rules that allow, deny or rewrite what a build may take as a source.
//
// Rules come with the request for a build, or with one request of a frontend. Of ALLOW and DENY the
// last rule that matches decides; a CONVERT that changes something has all rules looked at anew,
// for the source as it is then. Selectors match the identifier exactly, by wildcard ("*" is any
// text) or by regular expression, and attributes by equality, inequality or regular expression.
// What a wildcard or group matched can be used in the new identifier: "$1", "${1}", "$$" for a
// dollar.
//
// Immutable after Create, hence thread-safe.
#pragma once

#include <memory>
#include <vector>

#include "proto/ops.pb.h"
#include "proto/source_policy.pb.h"
#include "runtime/base/status.h"

namespace cairn::source {

class SourcePolicy {
 public:
  // The rules of `policies`, asked one policy after the other. kInvalidArgument for a rule without
  // a selector, and for expressions that are none.
  static StatusOr<std::shared_ptr<const SourcePolicy>> Create(
      const std::vector<moby::buildkit::v1::sourcepolicy::Policy>& policies);

  ~SourcePolicy();

  // Applies the rules to `source`, which CONVERT changes; returns whether it did. kPermissionDenied
  // "source .. denied by policy: source denied by policy"; kInvalidArgument for a rule that cannot
  // be followed and for sources that are rewritten without end.
  StatusOr<bool> Apply(pb::SourceOp* source) const;

 private:
  struct Rule;
  using RuleSet = std::vector<Rule>;
  SourcePolicy();

  // One pass over the rules of one policy, up to the first change.
  static StatusOr<bool> ApplyOnce(const RuleSet& rules, pb::SourceOp* source);

  std::vector<RuleSet> policies_;
};

// The identifier as rules see it: an image's with its registry, repository and tag spelt out. What
// is malformed stays, for the source to refuse.
std::string NormalizedSource(const std::string& identifier);

}  // namespace cairn::source
