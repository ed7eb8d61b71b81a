#include "daemon/source/source_policy.h"

#include "tests/unit/testing.h"

namespace cairn::source {
namespace {

namespace policy = moby::buildkit::v1::sourcepolicy;
using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

policy::Rule MakeRule(policy::PolicyAction action, const std::string& selector,
                      const std::string& update = "", policy::MatchType match = policy::WILDCARD) {
  policy::Rule rule;
  rule.set_action(action);
  rule.mutable_selector()->set_identifier(selector);
  rule.mutable_selector()->set_match_type(match);
  if (!update.empty()) {
    rule.mutable_updates()->set_identifier(update);
  }
  return rule;
}

policy::Policy Of(const std::vector<policy::Rule>& rules) {
  policy::Policy out;
  for (const policy::Rule& rule : rules) {
    *out.add_rules() = rule;
  }
  return out;
}

// The identifier that is left of `identifier`, or the error.
StatusOr<std::string> Apply(const std::vector<policy::Policy>& policies,
                            const std::string& identifier) {
  ASSIGN_OR_RETURN(const auto made, SourcePolicy::Create(policies));
  pb::SourceOp source;
  source.set_identifier(identifier);
  RETURN_IF_ERROR(made->Apply(&source).status());
  return source.identifier();
}

TEST(SourcePolicyTest, TheLastRuleThatMatchesDecides) {
  const policy::Policy mostly_denied =
      Of({MakeRule(policy::DENY, "*"), MakeRule(policy::ALLOW, "docker-image://good/*")});
  EXPECT_OK(Apply({mostly_denied}, "docker-image://good/a"));
  EXPECT_THAT(
      Apply({mostly_denied}, "https://evil"),
      StatusIs(absl::StatusCode::kPermissionDenied,
               HasSubstr("source \"https://evil\" denied by policy: source denied by policy")));
  const policy::Policy all_denied =
      Of({MakeRule(policy::ALLOW, "docker-image://good/*"), MakeRule(policy::DENY, "*")});
  EXPECT_FALSE(Apply({all_denied}, "docker-image://good/a").ok());
  // What one policy allows another may still deny.
  EXPECT_FALSE(Apply({Of({MakeRule(policy::ALLOW, "*")}), all_denied}, "x").ok());
  EXPECT_FALSE(Apply({Of({MakeRule(policy::DENY, "*")})}, "a\nb").ok());
}

TEST(SourcePolicyTest, ConvertedSourcesAreJudgedAsWhatTheyBecame) {
  const policy::Rule convert =
      MakeRule(policy::CONVERT, "docker-image://old:*", "docker-image://new:${1}-slim");
  EXPECT_THAT(Apply({Of({convert})}, "docker-image://old:1"),
              IsOkAndHolds("docker-image://new:1-slim"));
  EXPECT_FALSE(
      Apply({Of({convert, MakeRule(policy::DENY, "docker-image://new:*")})}, "docker-image://old:1")
          .ok());
  EXPECT_OK(Apply({Of({MakeRule(policy::DENY, "docker-image://old:*"), convert})},
                  "docker-image://old:1"));
}

TEST(SourcePolicyTest, RegularExpressionsAndDollars) {
  EXPECT_THAT(Apply({Of({MakeRule(policy::CONVERT, "^https://(?P<host>h[a-z]+)/(.*)$",
                                  "https://mirror/${host}/$2?$$x", policy::REGEX)})},
                    "https://host/file"),
              IsOkAndHolds("https://mirror/host/file?$x"));
  EXPECT_THAT(Apply({Of({MakeRule(policy::CONVERT, "a", "b$9", policy::REGEX)})}, "xaxa"),
              IsOkAndHolds("xbxb"));
  EXPECT_THAT(Apply({Of({MakeRule(policy::CONVERT, "a+", "b", policy::EXACT)})}, "aa"),
              IsOkAndHolds("aa"));
}

TEST(SourcePolicyTest, AttributesAreConstrainedAndUpdated) {
  policy::Rule rule = MakeRule(policy::CONVERT, "https://file");
  (*rule.mutable_updates()->mutable_attrs())["http.checksum"] = "sha256:x";
  policy::AttrConstraint* constraint = rule.mutable_selector()->add_constraints();
  constraint->set_key("http.filename");
  constraint->set_value("^f");
  constraint->set_condition(policy::MATCHES);
  ASSERT_OK_AND_ASSIGN(const auto made, SourcePolicy::Create({Of({rule})}));
  pb::SourceOp source;
  source.set_identifier("https://file");
  EXPECT_THAT(made->Apply(&source), IsOkAndHolds(false));
  (*source.mutable_attrs())["http.filename"] = "f1";
  EXPECT_THAT(made->Apply(&source), IsOkAndHolds(true));
  EXPECT_EQ(source.identifier(), "https://file");
  EXPECT_EQ(source.attrs().at("http.checksum"), "sha256:x");
}

TEST(SourcePolicyTest, RulesThatCannotBeFollowedAreErrors) {
  EXPECT_THAT(Apply({Of({policy::Rule()})}, "x"),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid nil selector in policy"));
  EXPECT_THAT(Apply({Of({MakeRule(policy::CONVERT, "x")})}, "x"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("missing destination for convert rule")));
  EXPECT_THAT(Apply({Of({MakeRule(static_cast<policy::PolicyAction>(9000), "x")})}, "x"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unknown type")));
  EXPECT_FALSE(Apply({Of({MakeRule(policy::DENY, "(", "", policy::REGEX)})}, "x").ok());
  EXPECT_FALSE(Apply({Of({MakeRule(policy::DENY, "a**")})}, "x").ok());
  EXPECT_THAT(
      Apply({Of({MakeRule(policy::CONVERT, "a", "b"), MakeRule(policy::CONVERT, "b", "a")})}, "a"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too many")));
}

TEST(SourcePolicyTest, ImagesAreSeenByTheirFullNames) {
  EXPECT_EQ(NormalizedSource("docker-image://alpine"),
            "docker-image://docker.io/library/alpine:latest");
  EXPECT_EQ(NormalizedSource("https://a/b"), "https://a/b");
}

}  // namespace
}  // namespace cairn::source
