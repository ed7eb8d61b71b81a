#include "daemon/source/git_source.h"

#include <filesystem>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/snapshot/snapshotter.h"
#include "proto/ops.pb.h"
#include "runtime/base/subprocess.h"
#include "tests/unit/daemon/ops/op_fixture.h"
#include "tests/unit/daemon/session/fake_client.h"
#include "tests/unit/daemon/session/fake_secrets.h"
#include "tests/unit/daemon/source/git_server.h"
#include "tests/unit/testing.h"

namespace cairn::source {
namespace {

using ::cairn::source::testing::GitServer;
using ::cairn::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class GitSourceTest : public ops::testing::OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    ASSERT_OK_AND_ASSIGN(ledger_, gc::Ledger::Open(*database_, *trees_));
    ASSERT_OK_AND_ASSIGN(snapshots_,
                         snapshot::Snapshotter::Open(directory_ / "snapshots", *chains_));
    ASSERT_OK_AND_ASSIGN(repositories_, GitRepositories::Open(directory_ / "git", *ledger_));
    NewBuild();
  }

  void NewBuild() {
    job_.memory().Clear();
    owned_lease_ = ledger_->NewLease();
    used_lease_ = owned_lease_.get();
  }

  StatusOr<std::unique_ptr<GitSource>> Make(const std::string& url, const std::string& fragment,
                                            std::map<std::string, std::string> attributes = {}) {
    pb::SourceOp op;
    op.set_identifier(absl::StrCat("git://example.com/repo.git#", fragment));
    attributes["git.fullurl"] = url;
    op.mutable_attrs()->insert(attributes.begin(), attributes.end());
    return GitSource::Create(op, {.sessions = sessions_,
                                  .chains = *chains_,
                                  .snapshots = *snapshots_,
                                  .ledger = *ledger_,
                                  .repositories = *repositories_,
                                  .sockets = directory_ / "sockets"});
  }

  StatusOr<layer::Chain> GetChain(const std::string& url, const std::string& fragment,
                                  const std::map<std::string, std::string>& attributes = {}) {
    ASSIGN_OR_RETURN(const auto source, Make(url, fragment, attributes));
    solver::OpContext context = Context();
    ASSIGN_OR_RETURN(const solver::Prepared prepared, source->Prepare(context));
    pin_ = prepared.pin;
    key_ = prepared.key->text();
    ASSIGN_OR_RETURN(const std::vector<solver::OpOutput> outputs, source->Run(context, {}));
    return outputs.at(0).chain;
  }

  StatusOr<std::vector<std::string>> Get(
      const GitServer& server, const std::string& fragment,
      const std::map<std::string, std::string>& attributes = {}) {
    ASSIGN_OR_RETURN(const layer::Chain chain, GetChain(server.url(), fragment, attributes));
    return Describe(chain);
  }

  std::unique_ptr<gc::Ledger> ledger_;
  std::unique_ptr<snapshot::Snapshotter> snapshots_;
  std::unique_ptr<GitRepositories> repositories_;
  std::unique_ptr<gc::Lease> owned_lease_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  session::SessionManager sessions_{log_};
  std::string pin_;
  std::string key_;
};

TEST_F(GitSourceTest, DefaultBranchTagAndHashGiveTheirFiles) {
  GitServer server;
  const std::string first = server.Commit({{"foo", "1"}, {"bin/run", "#!"}});
  std::filesystem::permissions(server.work_tree() + "/bin/run", std::filesystem::perms::owner_all);
  const std::string second = server.Commit({});
  server.Git({"tag", "v1"});
  const std::string third = server.Commit({{"foo", "2"}, {"link", "-> foo"}});

  EXPECT_THAT(Get(server, ""), ::cairn::testing::IsOkAndHolds(
                                   ElementsAre("dir bin 755 0:0", "file bin/run 755 0:0 #!",
                                               "file foo 644 0:0 2", "link link -> foo")));
  EXPECT_EQ(pin_, third);
  EXPECT_THAT(Get(server, "v1"), ::cairn::testing::IsOkAndHolds(Contains("file foo 644 0:0 1")));
  EXPECT_EQ(pin_, second);
  EXPECT_THAT(Get(server, first),
              ::cairn::testing::IsOkAndHolds(Contains("file bin/run 644 0:0 #!")));
  EXPECT_EQ(pin_, first);
  EXPECT_THAT(Get(server, "none"), StatusIs(absl::StatusCode::kNotFound,
                                            HasSubstr("repository does not contain ref none")));
}

TEST_F(GitSourceTest, AServerMayGiveOnlyWhatItsRefsName) {
  for (const GitServer::Kind kind : {GitServer::Kind::kRefsOnly, GitServer::Kind::kFilesAlone}) {
    GitServer server(kind);
    const std::string first = server.Commit({{"foo", "1"}});
    const std::string second = server.Commit({{"foo", "2"}});
    EXPECT_THAT(Get(server, "main"),
                ::cairn::testing::IsOkAndHolds(ElementsAre("file foo 644 0:0 2")));
    EXPECT_EQ(pin_, second);
    EXPECT_THAT(Get(server, first),
                ::cairn::testing::IsOkAndHolds(ElementsAre("file foo 644 0:0 1")));
    EXPECT_THAT(Get(server, std::string(40, '1')), Not(::cairn::testing::IsOk()));
  }
}

TEST_F(GitSourceTest, ATagIsPinnedAndItsCommitIsTheKey) {
  GitServer server;
  const std::string commit = server.Commit({{"foo", "1"}});
  server.Git({"tag", "--annotate", "--message=release", "v1"});
  const std::string tag = server.Git({"rev-parse", "v1"});
  ASSERT_NE(tag, commit);

  ASSERT_OK(Get(server, "v1"));
  EXPECT_EQ(pin_, tag);
  const std::string key = key_;
  ASSERT_OK(Get(server, "main"));
  EXPECT_EQ(pin_, commit);
  EXPECT_EQ(key_, key);

  ASSERT_OK_AND_ASSIGN(const auto source, Make(server.url(), "v1"));
  ASSERT_OK_AND_ASSIGN(GitTarget target, source->Resolve({}, job_.memory(), nullptr, {}));
  EXPECT_EQ(target.ref, "refs/tags/v1");
  EXPECT_EQ(target.commit, commit);
  ASSERT_OK_AND_ASSIGN(const GitObjects objects, source->ReadObjects(target, {}, {}));
  EXPECT_THAT(objects.tag, HasSubstr("tag v1\n"));
  EXPECT_THAT(objects.commit, HasSubstr("author test <test@example.com>"));
}

TEST_F(GitSourceTest, OneBuildSeesOneCommit) {
  GitServer server;
  server.Commit({{"foo", "1"}});
  ASSERT_OK_AND_ASSIGN(const auto source, Make(server.url(), "main"));
  ASSERT_OK(source->Resolve({}, job_.memory(), nullptr, {}));
  server.Commit({{"foo", "2"}});

  EXPECT_THAT(Get(server, "main"),
              ::cairn::testing::IsOkAndHolds(ElementsAre("file foo 644 0:0 1")));
  NewBuild();
  EXPECT_THAT(Get(server, "main"),
              ::cairn::testing::IsOkAndHolds(ElementsAre("file foo 644 0:0 2")));
}

TEST_F(GitSourceTest, WhatWasFetchedStaysAsARecordUntilItIsPruned) {
  GitServer server;
  const std::string commit = server.Commit({{"foo", "1"}});
  ASSERT_OK(Get(server, "main"));
  const size_t requests = server.Requests().size();
  ASSERT_OK(Get(server, commit));
  EXPECT_EQ(server.Requests().size(), requests);

  ASSERT_OK_AND_ASSIGN(const std::vector<gc::Record> records, ledger_->List());
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].type, gc::RecordType::kGitCheckout);
  EXPECT_TRUE(records[0].is_mutable);
  EXPECT_THAT(ledger_->Remove(records[0].identity),
              StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::_));
  NewBuild();
  EXPECT_OK(ledger_->Remove(records[0].identity));
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "git"));
  EXPECT_THAT(Get(server, commit),
              ::cairn::testing::IsOkAndHolds(ElementsAre("file foo 644 0:0 1")));
}

TEST_F(GitSourceTest, ASubdirectoryIsADirectoryOfTheCommit) {
  GitServer server;
  server.Commit({{"a/b/foo", "1"}, {"a/c", "2"}, {"link", "-> a"}, {"out", "-> /etc"}});

  EXPECT_THAT(Get(server, "main:a/b"),
              ::cairn::testing::IsOkAndHolds(ElementsAre("file foo 644 0:0 1")));
  EXPECT_THAT(Get(server, "main:../a/b"),
              ::cairn::testing::IsOkAndHolds(ElementsAre("file foo 644 0:0 1")));
  for (const char* other : {"link", "link/b", "out", "a/c", "a/none", "a/c/x"}) {
    EXPECT_THAT(Get(server, absl::StrCat("main:", other)).status().message(),
                HasSubstr("invalid subdir"))
        << other;
  }
}

TEST_F(GitSourceTest, ACommitOfOtherThanTheChecksumIsRefused) {
  GitServer server;
  const std::string first = server.Commit({{"foo", "1"}});
  const std::string second = server.Commit({{"foo", "2"}});
  EXPECT_OK(Get(server, "main", {{"git.checksum", second.substr(0, 8)}}));
  EXPECT_THAT(Get(server, "main", {{"git.checksum", first}}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("expected checksum to match " + first + ", got " + second)));
  EXPECT_THAT(Get(server, second, {{"git.checksum", first}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::_));
}

TEST_F(GitSourceTest, FetchingByCommitAsksNobodyForTheRef) {
  GitServer server;
  const std::string first = server.Commit({{"foo", "1"}});
  server.Commit({{"foo", "2"}});
  EXPECT_THAT(Get(server, "nosuch", {{"git.checksum", first}, {"git.fetchbycommit", "true"}}),
              ::cairn::testing::IsOkAndHolds(ElementsAre("file foo 644 0:0 1")));
}

TEST_F(GitSourceTest, SubmodulesComeAlong) {
  GitServer sub;
  sub.Commit({{"file", "1"}});
  GitServer server;
  server.Commit({{"foo", "1"}});
  server.Git({"-c", "protocol.allow=always", "submodule", "--quiet", "add", sub.url(), "sub"});
  server.Commit({});
  sub.Commit({{"file", "2"}});  // the commit that is wanted is not the newest any more

  // The file that leads to the submodule's repository is left out: that is the daemon's.
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> files, Get(server, ""));
  EXPECT_THAT(files, Contains("file sub/file 644 0:0 1"));
  EXPECT_THAT(files, Not(Contains(HasSubstr("sub/.git"))));
  EXPECT_THAT(Get(server, "", {{"git.skipsubmodules", "true"}}),
              ::cairn::testing::IsOkAndHolds(Not(Contains(HasSubstr("sub/file")))));
}

TEST_F(GitSourceTest, ASubmoduleOfTheDaemonsMachineIsRefused) {
  GitServer secret;
  secret.Commit({{"canary", "secret"}});
  for (const char* scheme : {"file://", ""}) {
    GitServer server;
    server.Commit({{"foo", "1"}});
    server.Git({"-c", "protocol.allow=always", "submodule", "--quiet", "add",
                absl::StrCat(scheme, secret.work_tree()), "sub"});
    server.Commit({});
    EXPECT_THAT(Get(server, "").status().message(), HasSubstr("not allowed")) << scheme;
    NewBuild();
  }
}

TEST_F(GitSourceTest, AKeptRepositoryKnowsItsCommitAndNoCredentials) {
  GitServer server;
  const std::string commit = server.Commit({{"foo", "1"}});
  server.Git({"tag", "v1"});
  const std::string url = absl::StrCat("http://user:secret@", server.address(), "/repo.git");
  ASSERT_OK_AND_ASSIGN(const layer::Chain chain, GetChain(url, "v1", {{"git.keepgitdir", "true"}}));
  EXPECT_THAT(Describe(chain), Contains("file .git/HEAD 644 0:0 " + commit + "\n"));
  EXPECT_THAT(Describe(chain), Contains(HasSubstr("/repo.git")));
  EXPECT_THAT(Describe(chain), Not(Contains(HasSubstr("secret"))));
  EXPECT_THAT(key_, Not(HasSubstr("secret")));

  const std::string out = directory_ / "out";
  ASSERT_OK(snapshots_->Export(chain, out, {}));
  ASSERT_OK_AND_ASSIGN(const CommandOutput status,
                       RunCommand({.argv = {"git", "-C", out, "status", "--short"}}));
  EXPECT_EQ(status.out, "");
  EXPECT_EQ(status.exit_code, 0) << status.err;
  ASSERT_OK_AND_ASSIGN(const CommandOutput tags, RunCommand({.argv = {"git", "-C", out, "tag"}}));
  EXPECT_EQ(tags.out, "v1\n");
}

TEST_F(GitSourceTest, FilesMayHaveTheTimeOfTheCommit) {
  GitServer server;
  server.Commit({{"a/foo", "1"}});
  ASSERT_OK_AND_ASSIGN(const layer::Chain chain,
                       GetChain(server.url(), "main", {{"git.mtime", "commit"}}));
  ASSERT_OK_AND_ASSIGN(const tree::TreeRef tree, chains_->TreeOf(chain));
  tree::Editor editor(*trees_, tree);
  ASSERT_OK_AND_ASSIGN(const fs::Metadata root, editor.DirectoryMetadata("/"));
  EXPECT_EQ(root.mtime_ns, 1600000000'000000000);
  ASSERT_OK_AND_ASSIGN(const auto file, editor.Get("a/foo", false));
  EXPECT_EQ(file->metadata.mtime_ns, 1600000000'000000000);
}

TEST_F(GitSourceTest, TheClientMayHaveATokenOrAHeaderForTheRemote) {
  session::testing::FakeSecrets secrets;
  session::FakeClient client({&secrets}, {"/moby.buildkit.secrets.v1.Secrets/GetSecret"});
  sessions_.Add(client.shared_session());
  job_.sessions() = session::SessionGroup({"client"});
  GitServer server;
  server.Commit({{"foo", "1"}});
  const std::map<std::string, std::string> names = {{"git.authtokensecret", "TOKEN"},
                                                    {"git.authheadersecret", "HEADER"},
                                                    {"git.keepgitdir", "true"}};
  server.Demand("basic " + absl::Base64Escape("x-access-token:abc"));
  EXPECT_THAT(Get(server, "", names), Not(::cairn::testing::IsOk()));

  secrets.values["TOKEN"] = "abc";
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> files, Get(server, "", names));
  EXPECT_THAT(files, Contains("file foo 644 0:0 1"));
  EXPECT_THAT(files, Not(Contains(HasSubstr("xtraheader"))));

  NewBuild();
  secrets.values["HEADER." + server.address()] = "Bearer def";
  server.Demand("Bearer def");
  EXPECT_OK(Get(server, "", names));
}

TEST_F(GitSourceTest, RepositoriesMayHaveLongHashes) {
  GitServer server(GitServer::Kind::kSmart, "sha256");
  const std::string commit = server.Commit({{"foo", "1"}});
  EXPECT_EQ(commit.size(), 64u);
  EXPECT_THAT(Get(server, "main"),
              ::cairn::testing::IsOkAndHolds(ElementsAre("file foo 644 0:0 1")));
  EXPECT_OK(Get(server, commit, {{"git.keepgitdir", "true"}}));
}

TEST_F(GitSourceTest, AnEmptyCommitIsAnEmptyDirectory) {
  GitServer server;
  server.Commit({});
  EXPECT_THAT(Get(server, ""), ::cairn::testing::IsOkAndHolds(ElementsAre()));
}

// A build that stopped in the middle of a fetch left locks, and every later one failed.
TEST_F(GitSourceTest, LocksOfAKilledGitAreNoHindrance) {
  GitServer server;
  server.Commit({{"foo", "1"}});
  ASSERT_OK(Get(server, ""));
  server.Commit({{"foo", "2"}});
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "git")) {
    EXPECT_OK(WriteFileDurably(entry.path() / "repository/shallow.lock", ""));
    EXPECT_OK(WriteFileDurably(entry.path() / "repository/objects/pack/tmp_pack_x", ""));
  }
  NewBuild();
  EXPECT_THAT(Get(server, ""), ::cairn::testing::IsOkAndHolds(ElementsAre("file foo 644 0:0 2")));
}

TEST_F(GitSourceTest, AnAgentThatNobodyForwardsIsAClearError) {
  EXPECT_THAT(GetChain("ssh://git@127.0.0.1/a.git", "main", {{"git.mountsshsock", "default"}}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("no SSH key \"default\" forwarded from the client")));
}

}  // namespace
}  // namespace cairn::source
