#include "daemon/source/local_source.h"

#include "daemon/source/context_receiver.h"
#include "proto/file_sync.grpc.pb.h"
#include "proto/ops.pb.h"
#include "tests/unit/daemon/ops/op_fixture.h"
#include "tests/unit/daemon/session/fake_client.h"
#include "tests/unit/testing.h"

namespace cairn::source {
namespace {

using fsutil::types::Packet;

// Offers one small file and counts how often its bytes are asked for.
class OneFile final : public moby::filesync::v1::FileSync::Service {
 public:
  grpc::Status DiffCopy(grpc::ServerContext*,
                        grpc::ServerReaderWriter<Packet, Packet>* stream) override {
    Packet entry;
    entry.mutable_stat()->set_path("f");
    entry.mutable_stat()->set_mode(0644);
    entry.mutable_stat()->set_size(5);
    stream->Write(entry);
    stream->Write(Packet());
    Packet request;
    while (stream->Read(&request) && request.type() == Packet::PACKET_REQ) {
      ++requests;
      Packet data;
      data.set_type(Packet::PACKET_DATA);
      data.set_id(request.id());
      data.set_data("hello");
      stream->Write(data);
      data.clear_data();
      stream->Write(data);
    }
    Packet fin;
    fin.set_type(Packet::PACKET_FIN);
    stream->Write(fin);
    return grpc::Status::OK;
  }

  int requests = 0;
};

class LocalSourceTest : public ops::testing::OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    ASSERT_OK_AND_ASSIGN(ledger_, gc::Ledger::Open(*database_, *trees_));
    sessions_.Add(client_.shared_session());
  }

  // Transfers the context as one build does, and ends the build.
  void Transfer(const std::string& mark = "", const std::string& client = "client") {
    pb::SourceOp op;
    op.set_identifier("local://context");
    if (!mark.empty()) {
      (*op.mutable_attrs())["local.unique"] = mark;
    }
    ASSERT_OK_AND_ASSIGN(const auto source, LocalSource::Create(op, {.sessions = sessions_,
                                                                     .chains = *chains_,
                                                                     .database = *database_,
                                                                     .ledger = *ledger_,
                                                                     .marked = marked_}));
    const auto lease = ledger_->NewLease();
    used_lease_ = lease.get();
    session::SessionGroup group({client});
    solver::OpContext context{.cancel = {},
                              .reporter = reporter_,
                              .sessions = group,
                              .entitlements = entitlements_,
                              .lease = *lease,
                              .job = job_};
    prepared_ = source->Prepare(context).status();
  }

  OneFile files_;
  session::FakeClient client_{{&files_}};
  Logger log_{LogLevel::kError, LogFormat::kText};
  session::SessionManager sessions_{log_};
  std::unique_ptr<gc::Ledger> ledger_;
  MarkedContexts marked_;
  Status prepared_;  // how the last transfer ended
};

TEST_F(LocalSourceTest, UnchangedFilesAreAskedForOnce) {
  Transfer();
  ASSERT_OK(prepared_);
  Transfer();
  ASSERT_OK(prepared_);
  EXPECT_EQ(files_.requests, 1);
}

// A file that a client had given a capability ran with it in every RUN; other attributes stay.
TEST_F(LocalSourceTest, ClientsGrantNoCapabilities) {
  ContextReceiver receiver(*trees_);
  session::FileStat stat{.path = "f", .mode = S_IFIFO | 0644};
  stat.xattrs = {{"security.capability", "x"}, {"user.a", "b"}};
  ASSERT_OK(receiver.OnEntry(0, stat));
  ASSERT_OK_AND_ASSIGN(const tree::TreeRef tree, receiver.Finish());
  ASSERT_OK_AND_ASSIGN(const auto root, trees_->Load(tree.digest));
  EXPECT_THAT(root->entries[0].metadata.xattrs,
              ::testing::ElementsAre(::testing::Pair("user.a", "b")));
}

// A build may go on from the definition of another one's result: its own client does not serve the
// directory that is in there.
TEST_F(LocalSourceTest, AMarkedContextServesOtherSessionsWhileItsOwnIsOpen) {
  session::FakeClient other({}, {}, "other");
  sessions_.Add(other.shared_session());
  Transfer("mark", "other");
  EXPECT_THAT(prepared_, testing::StatusIs(absl::StatusCode::kUnimplemented, ::testing::_));
  Transfer("mark");
  ASSERT_OK(prepared_);
  Transfer("mark", "other");
  EXPECT_OK(prepared_);
  Transfer("another mark", "other");
  EXPECT_THAT(prepared_, testing::StatusIs(absl::StatusCode::kUnimplemented, ::testing::_));
  Transfer("", "other");
  EXPECT_THAT(prepared_, testing::StatusIs(absl::StatusCode::kUnimplemented, ::testing::_));
  EXPECT_EQ(files_.requests, 1);
}

TEST_F(LocalSourceTest, AMarkedContextThatWasCollectedIsReceivedAgain) {
  Transfer("mark");
  ASSERT_OK_AND_ASSIGN(const auto records, ledger_->List());
  ASSERT_EQ(records.size(), 1u);
  ASSERT_OK(ledger_->Remove(records[0].identity));
  ASSERT_OK(ledger_->Sweep());
  Transfer("mark");
  ASSERT_OK(prepared_);
  EXPECT_EQ(files_.requests, 2);
}

// The row in kContexts outlived the record, and a transfer that found the same tree there made no
// new one: what it had received belonged to nobody and was swept.
TEST_F(LocalSourceTest, CollectedContextIsOwnedAgainByTheNextTransfer) {
  Transfer();
  ASSERT_OK_AND_ASSIGN(const auto records, ledger_->List());
  ASSERT_EQ(records.size(), 1u);
  ASSERT_OK(ledger_->Remove(records[0].identity));
  Transfer();
  ASSERT_OK(ledger_->Sweep());
  EXPECT_THAT(blobs_->Contains(Digest::Of("hello")), testing::IsOkAndHolds(true));
  Transfer();
  EXPECT_EQ(files_.requests, 2);
}

}  // namespace
}  // namespace cairn::source
