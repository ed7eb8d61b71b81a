// The client's half of context_sync.proto against the daemon's, over a real store.
#include "client/context_sync.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "cache/tree/algebra.h"
#include "daemon/session/file_sync.h"
#include "daemon/source/context_receiver.h"
#include "proto/context_sync.grpc.pb.h"
#include "tests/unit/cache/stores.h"
#include "tests/unit/daemon/session/fake_client.h"
#include "tests/unit/testing.h"

namespace cairn::client {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

class ContextSyncTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(directory_ / "context"); }

  void Write(const std::string& path, const std::string& data) {
    directory_.Write("context/" + path, data);
  }

  // Transfers the context as it is now; what the last transfer gave is compared with.
  StatusOr<tree::TreeRef> Transfer(session::FileSyncRequest request = {}) {
    const auto service = MakeContextSyncService({{"context", directory_ / "context"}});
    session::FakeClient client({service.get()}, {"/cairn.v1.contextsync/sync"});
    request.dir_name = request.dir_name.empty() ? "context" : request.dir_name;
    source::ContextReceiver receiver(stores_.trees());
    if (last_.has_value()) {
      receiver.CompareWith(*last_);
    }
    ASSIGN_OR_RETURN(result_, session::ReceiveFiles(client.session(), request, receiver, {}));
    ASSIGN_OR_RETURN(last_, receiver.Finish());
    return *last_;
  }

  std::string Read(const std::string& path) {
    const auto found = tree::Lookup(stores_.trees(), *last_, path, /*follow=*/false);
    return found.ok() ? stores_.blobs().Read(*found->entry.file).value_or("unreadable") : "no file";
  }

  const testing::TempDir directory_;
  testing::Stores stores_;
  std::optional<tree::TreeRef> last_;
  session::FileSyncResult result_;
};

TEST_F(ContextSyncTest, BringsFilesOfAllSizes) {
  const std::string large(3 << 20, 'x');
  const std::string exact(512 << 10, 'y');  // as much as one reply takes
  Write("a/empty", "");
  Write("a/small", "small");
  Write("large", large);
  Write("exact", exact);
  for (int i = 0; i < 1000; ++i) {
    Write("many/" + std::to_string(i), std::to_string(i));
  }

  ASSERT_OK(Transfer());

  EXPECT_EQ(Read("a/empty"), "");
  EXPECT_EQ(Read("a/small"), "small");
  EXPECT_EQ(Read("large"), large);
  EXPECT_EQ(Read("exact"), exact);
  EXPECT_EQ(Read("many/999"), "999");
  EXPECT_EQ(result_.files, 1004U);
}

TEST_F(ContextSyncTest, AsksForNothingThatIsAsItWas) {
  Write("a", "one");
  Write("b", "two");
  ASSERT_OK_AND_ASSIGN(const tree::TreeRef before, Transfer());
  Write("b", "other");

  ASSERT_OK_AND_ASSIGN(const tree::TreeRef after, Transfer());

  EXPECT_EQ(result_.files, 1U);
  EXPECT_EQ(Read("b"), "other");
  EXPECT_NE(before.content, after.content);
}

TEST_F(ContextSyncTest, SendsNoBytesOfFilesWithNewTimes) {
  for (int i = 0; i < 300; ++i) {
    Write("file" + std::to_string(i), std::string(1000, static_cast<char>('a' + i % 26)));
  }
  ASSERT_OK_AND_ASSIGN(const tree::TreeRef before, Transfer());
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "context")) {
    const timespec times[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, entry.path().c_str(), times, 0), 0);
  }

  ASSERT_OK_AND_ASSIGN(const tree::TreeRef after, Transfer());

  EXPECT_EQ(result_.files, 0U);
  EXPECT_EQ(before.content, after.content);
  EXPECT_NE(before.digest, after.digest);
}

TEST_F(ContextSyncTest, SendsNoBytesThatAnotherContextBrought) {
  for (int i = 0; i < 300; ++i) {
    Write("file" + std::to_string(i), std::string(1000 + i, 'x'));
  }
  ASSERT_OK_AND_ASSIGN(const tree::TreeRef before, Transfer());
  last_.reset();

  ASSERT_OK_AND_ASSIGN(const tree::TreeRef after, Transfer());

  EXPECT_EQ(result_.files, 0U);
  EXPECT_EQ(before, after);
}

TEST_F(ContextSyncTest, KeepsLinksAndFilters) {
  Write("keep/file", "data");
  Write("drop/file", "other");
  ASSERT_EQ(::link((directory_ / "context/keep/file").c_str(),
                   (directory_ / "context/keep/twin").c_str()),
            0);
  std::filesystem::create_symlink("file", directory_ / "context/keep/soft");

  ASSERT_OK(Transfer({.exclude_patterns = {"drop"}}));

  EXPECT_EQ(Read("keep/twin"), "data");
  EXPECT_EQ(Read("drop/file"), "no file");
  EXPECT_EQ(result_.files, 1U);
}

TEST_F(ContextSyncTest, RefusesADirectoryThatIsNotOffered) {
  EXPECT_THAT(Transfer({.dir_name = "elsewhere"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no access allowed to dir")));
}

TEST_F(ContextSyncTest, NamesTheFileThatCannotBeRead) {
  Write("gone", "data");
  const auto service = MakeContextSyncService({{"context", directory_ / "context"}});
  session::FakeClient client({service.get()});
  const auto stub = v1::ContextSync::NewStub(client.session().channel());
  grpc::ClientContext context;
  const auto stream = stub->Sync(&context);
  v1::SyncRequest request;
  request.mutable_open()->set_dir_name("context");
  stream->Write(request);
  v1::SyncReply reply;
  ASSERT_TRUE(stream->Read(&reply));
  ASSERT_EQ(reply.entries_size(), 1);
  std::filesystem::remove(directory_ / "context/gone");

  request.Clear();
  request.add_contents(0);
  stream->Write(request);

  ASSERT_TRUE(stream->Read(&reply));
  EXPECT_THAT(reply.error(), HasSubstr("context file gone"));
  stream->WritesDone();
  EXPECT_FALSE(stream->Finish().ok());
}

TEST_F(ContextSyncTest, RefusesAnIdThatWasNotListed) {
  const auto service = MakeContextSyncService({{"context", directory_ / "context"}});
  session::FakeClient client({service.get()});
  const auto stub = v1::ContextSync::NewStub(client.session().channel());
  grpc::ClientContext context;
  const auto stream = stub->Sync(&context);
  v1::SyncRequest request;
  request.mutable_open()->set_dir_name("context");
  request.add_contents(7);
  stream->Write(request);
  request.clear_open();
  stream->Write(request);

  v1::SyncReply reply;
  while (stream->Read(&reply) && reply.error().empty()) {
  }
  EXPECT_THAT(reply.error(), HasSubstr("no file has the id 7"));
  stream->WritesDone();
  EXPECT_FALSE(stream->Finish().ok());
}

}  // namespace
}  // namespace cairn::client
