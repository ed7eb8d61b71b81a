#include "daemon/session/session_manager.h"

#include <grpcpp/grpcpp.h>

#include <thread>

#include "daemon/session/session_group.h"
#include "runtime/base/thread_pool.h"
#include "tests/unit/testing.h"

namespace cairn::session {
namespace {

using testing::StatusIs;

std::shared_ptr<Session> MakeSession(const std::string& id) {
  SessionInfo info;
  info.id = id;
  info.methods = {"/moby.filesync.v1.filesync/diffcopy"};
  return std::make_shared<Session>(info, nullptr);
}

class SessionManagerTest : public ::testing::Test {
 protected:
  Logger log_{LogLevel::kError, LogFormat::kText};
  SessionManager manager_{log_};
};

TEST_F(SessionManagerTest, GetFindsASessionWithOrWithoutPrefix) {
  auto session = MakeSession("abc");
  manager_.Add(session);

  ASSERT_OK_AND_ASSIGN(auto plain, manager_.Get("abc", {}));
  ASSERT_OK_AND_ASSIGN(auto prefixed, manager_.Get("context2:abc", {}));

  EXPECT_EQ(plain, session);
  EXPECT_EQ(prefixed, session);
}

TEST_F(SessionManagerTest, GetWaitsForASessionThatConnectsLater) {
  std::thread later = StartThread("later", [this] { manager_.Add(MakeSession("abc")); });

  EXPECT_OK(manager_.Get("abc", {}));
  later.join();
}

TEST_F(SessionManagerTest, GetGivesUpWithBuildKitsWords) {
  EXPECT_THAT(manager_.Get("x:abc", {}, absl::ZeroDuration()),
              StatusIs(absl::StatusCode::kUnavailable,
                       "no active session for abc: context deadline exceeded"));
}

TEST_F(SessionManagerTest, GetEndsWithTheBuild) {
  CancelSource cancel;
  std::thread later = StartThread("later", [&cancel] { cancel.Cancel(); });

  EXPECT_EQ(manager_.Get("abc", cancel.token(), absl::Hours(1)).status().code(),
            absl::StatusCode::kCancelled);
  later.join();
}

TEST_F(SessionManagerTest, ClosedSessionsAreNotHandedOut) {
  auto session = MakeSession("abc");
  manager_.Add(session);
  session->Close("gone");

  EXPECT_FALSE(manager_.Get("abc", {}, absl::ZeroDuration()).ok());
}

TEST_F(SessionManagerTest, RemovingAnOldSessionLeavesItsSuccessor) {
  auto first = MakeSession("abc");
  auto second = MakeSession("abc");
  manager_.Add(first);
  manager_.Add(second);
  manager_.Remove(*first);

  ASSERT_OK_AND_ASSIGN(auto found, manager_.Get("abc", {}));
  EXPECT_EQ(found, second);
}

TEST_F(SessionManagerTest, SupportsIgnoresCase) {
  EXPECT_TRUE(MakeSession("a")->Supports("/moby.filesync.v1.FileSync/DiffCopy"));
  EXPECT_FALSE(MakeSession("a")->Supports("/moby.filesync.v1.FileSend/DiffCopy"));
}

TEST_F(SessionManagerTest, GroupGoesOnAfterNotFoundAndStopsAtOtherErrors) {
  manager_.Add(MakeSession("a"));
  manager_.Add(MakeSession("b"));
  manager_.Add(MakeSession("c"));
  const SessionGroup group({"a", "b", "c"});
  std::string asked;

  const Status status = group.Any(manager_, {}, [&asked](const std::shared_ptr<Session>& session) {
    asked += session->id();
    return session->id() == "a" ? absl::NotFoundError("no") : absl::InternalError("broken");
  });

  EXPECT_EQ(asked, "ab");
  EXPECT_EQ(status, absl::InternalError("broken"));
  EXPECT_THAT(SessionGroup().Any(manager_, {}, [](const auto&) { return absl::OkStatus(); }),
              StatusIs(absl::StatusCode::kUnavailable, "no active sessions"));
  EXPECT_THAT(group.Preferring("c").ids(), ::testing::ElementsAre("c", "a", "b"));
}

TEST(SessionInfoTest, HeadersAreRead) {
  ASSERT_OK_AND_ASSIGN(
      const SessionInfo info,
      SessionInfo::FromHeaders({{"x-docker-expose-session-uuid", "id"},
                                {"x-docker-expose-session-sharedkey", "key"},
                                {"x-docker-expose-session-grpc-method", "/a.B/C"},
                                {"x-docker-expose-session-grpc-method", "/d.E/F"},
                                {"x-buildkit-session-health-custom-timeout", "2000"}}));

  EXPECT_EQ(info.id, "id");
  EXPECT_EQ(info.shared_key, "key");
  EXPECT_THAT(info.methods, ::testing::UnorderedElementsAre("/a.b/c", "/d.e/f"));
  EXPECT_EQ(info.health_timeout, absl::Seconds(2));
  EXPECT_FALSE(SessionInfo::FromHeaders({}).ok());
}

}  // namespace
}  // namespace cairn::session
