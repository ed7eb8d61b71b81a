#include "daemon/source/git_identifier.h"

#include "proto/ops.pb.h"
#include "tests/unit/testing.h"

namespace cairn::source {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kCommit[] = "0123456789012345678901234567890123456789";

StatusOr<GitIdentifier> Parse(const std::string& identifier,
                              const std::map<std::string, std::string>& attributes = {}) {
  pb::SourceOp op;
  op.set_identifier(identifier);
  op.mutable_attrs()->insert(attributes.begin(), attributes.end());
  return GitIdentifier::Parse(op);
}

TEST(GitIdentifierTest, FragmentsAreRefAndDirectory) {
  ASSERT_OK_AND_ASSIGN(const GitIdentifier git, Parse("git://example.com/a.git#main:b/../c/"));
  EXPECT_EQ(git.remote, "https://example.com/a.git");
  EXPECT_EQ(git.ref, "main");
  EXPECT_EQ(git.subdir, "c");
}

TEST(GitIdentifierTest, DirectoriesStayBelowTheRoot) {
  for (const char* subdir : {"../../x", "/x", "x/y/..", "%2e%2e/x"}) {
    ASSERT_OK_AND_ASSIGN(const GitIdentifier git,
                         Parse(absl::StrCat("git://example.com/a.git#main:", subdir)));
    EXPECT_EQ(git.subdir, "x") << subdir;
  }
}

TEST(GitIdentifierTest, TheAttributeHasTheWholeUrl) {
  for (const auto& [url, host] : std::vector<std::pair<std::string, std::string>>{
           {"http://user:secret@example.com:8080/a.git", "example.com:8080"},
           {"ssh://git@example.com/a.git", "example.com"},
           {"git@example.com:a.git", "example.com"},
           {"git://example.com/a.git", "example.com"}}) {
    ASSERT_OK_AND_ASSIGN(const GitIdentifier git,
                         Parse("git://example.com/a.git", {{"git.fullurl", url}}));
    EXPECT_EQ(git.remote, url);
    EXPECT_EQ(git.host, host);
    EXPECT_THAT(git.shown(), ::testing::Not(HasSubstr("secret")));
  }
}

TEST(GitIdentifierTest, OtherTransportsAreHostsThatDoNotExist) {
  for (const char* url : {"file:///etc", "/etc", "ext::sh -c id", "--upload-pack=x", "fd::7"}) {
    const StatusOr<GitIdentifier> git = Parse("git://example.com/a.git", {{"git.fullurl", url}});
    if (git.ok()) {
      EXPECT_THAT(git->remote, ::testing::StartsWith("https://"));
    } else {
      EXPECT_THAT(git.status(), StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_));
    }
  }
}

TEST(GitIdentifierTest, WhatLooksLikeAnOptionIsRefused) {
  EXPECT_THAT(Parse("git://example.com/a.git#--upload-pack=/tmp/evil"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("invalid git ref")));
  EXPECT_THAT(Parse("git://example.com/a.git", {{"git.fullurl", "ssh://-oProxyCommand=x/a"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("invalid git URL")));
}

TEST(GitIdentifierTest, WhatWouldMakeAnotherLineIsRefused) {
  EXPECT_THAT(Parse("git://example.com/a.git#a%0ab"),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_));
  for (const char* url : {"https://example.com/a\nb", "https://example.com/a\rb",
                          "https://e.com/\"", "https://e.com/a\\", "https://e.com/a b"}) {
    EXPECT_THAT(Parse("git://example.com/a.git", {{"git.fullurl", url}}),
                StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_))
        << url;
  }
}

TEST(GitIdentifierTest, ChecksumsAreHexadecimal) {
  EXPECT_THAT(Parse("git://example.com/a.git", {{"git.checksum", "foobar"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("invalid checksum foobar for Git URL, expected hex commit hash")));
  ASSERT_OK_AND_ASSIGN(const GitIdentifier git,
                       Parse("git://example.com/a.git", {{"git.checksum", "0AB"}}));
  EXPECT_EQ(git.checksum, "0ab");
}

TEST(GitIdentifierTest, FetchingByCommitWantsAWholeHash) {
  EXPECT_OK(Parse("git://example.com/a.git#main",
                  {{"git.checksum", kCommit}, {"git.fetchbycommit", "true"}}));
  EXPECT_THAT(Parse("git://example.com/a.git#main",
                    {{"git.checksum", "0123"}, {"git.fetchbycommit", "true"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_));
}

TEST(GitIdentifierTest, SignaturesAreNotIgnored) {
  EXPECT_THAT(Parse("git://example.com/a.git", {{"git.sig.pubkey", "key"}}),
              StatusIs(absl::StatusCode::kUnimplemented, ::testing::_));
}

}  // namespace
}  // namespace cairn::source
