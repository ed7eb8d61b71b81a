#include "daemon/session/file_sync.h"

#include <sys/stat.h>

#include <functional>
#include <map>
#include <set>

#include "proto/file_sync.grpc.pb.h"
#include "tests/unit/daemon/session/fake_client.h"
#include "tests/unit/testing.h"

namespace cairn::session {
namespace {

using fsutil::types::Packet;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::StatusIs;
using ServerStream = grpc::ServerReaderWriter<Packet, Packet>;

constexpr uint32_t kGoDir = 0x80000000U;

Packet Entry(const std::string& path, uint32_t mode = 0644, int64_t size = 0) {
  Packet packet;
  packet.mutable_stat()->set_path(path);
  packet.mutable_stat()->set_mode(mode);
  packet.mutable_stat()->set_size(size);
  return packet;
}

Packet Data(uint32_t id, const std::string& data) {
  Packet packet;
  packet.set_type(Packet::PACKET_DATA);
  packet.set_id(id);
  packet.set_data(data);
  return packet;
}

Packet OfType(Packet::PacketType type) {
  Packet packet;
  packet.set_type(type);
  return packet;
}

// A FileSync service whose DiffCopy runs a script.
class ScriptedFileSync final : public moby::filesync::v1::FileSync::Service {
 public:
  using Script = std::function<grpc::Status(grpc::ServerContext*, ServerStream*)>;
  explicit ScriptedFileSync(Script script) : script_(std::move(script)) {}
  grpc::Status DiffCopy(grpc::ServerContext* context, ServerStream* stream) override {
    return script_(context, stream);
  }

 private:
  Script script_;
};

// Takes what it is told to want.
class RecordingSink final : public FileSyncSink {
 public:
  explicit RecordingSink(std::function<bool(const FileStat&)> wanted = nullptr)
      : wanted_(std::move(wanted)) {}
  StatusOr<Wanted> OnEntry(uint32_t id, const FileStat& stat) override {
    paths.push_back(stat.path);
    names_[id] = stat.path;
    stats[stat.path] = stat;
    return wanted_ == nullptr || wanted_(stat) ? Wanted::kContent : Wanted::kNothing;
  }
  StatusOr<bool> OnDigest(uint32_t, const Digest&, uint64_t) override { return true; }
  Status OnData(uint32_t id, std::string data) override {
    contents[names_[id]].append(data);
    return fail_data ? absl::DataLossError("disk full") : absl::OkStatus();
  }
  Status OnFileEnd(uint32_t id) override {
    ended.insert(names_[id]);
    return absl::OkStatus();
  }

  std::vector<std::string> paths;
  std::map<std::string, FileStat> stats;
  std::map<std::string, std::string> contents;
  std::set<std::string> ended;
  bool fail_data = false;

 private:
  std::function<bool(const FileStat&)> wanted_;
  std::map<uint32_t, std::string> names_;
};

// Sends `packets`, then waits for the receiver to leave.
StatusOr<FileSyncResult> ReceiveFrom(const std::vector<Packet>& packets, FileSyncSink& sink) {
  ScriptedFileSync service([&packets](grpc::ServerContext*, ServerStream* stream) {
    for (const Packet& packet : packets) {
      stream->Write(packet);
    }
    Packet ignored;
    while (stream->Read(&ignored)) {
    }
    return grpc::Status::OK;
  });
  FakeClient client({&service});
  return ReceiveFiles(client.session(), FileSyncRequest{}, sink, {});
}

TEST(FileSyncTest, ReceivesEntriesAndTheContentsThatAreWanted) {
  ScriptedFileSync service([](grpc::ServerContext* context, ServerStream* stream) {
    EXPECT_EQ(context->client_metadata().find("dir-name")->second, "context");
    stream->Write(Entry("a", kGoDir | 0755));
    stream->Write(Entry("a/b", 0600, 5));
    stream->Write(Entry("c", 0600, 5));
    Packet link = Entry("d", 0600, 5);
    link.mutable_stat()->set_linkname("a/b");
    stream->Write(link);
    stream->Write(Packet());
    Packet request;
    EXPECT_TRUE(stream->Read(&request));
    EXPECT_EQ(request.type(), Packet::PACKET_REQ);
    EXPECT_EQ(request.id(), 1U);  // counts the directory
    stream->Write(Data(1, "hel"));
    stream->Write(Data(1, "lo"));
    stream->Write(Data(1, ""));
    EXPECT_TRUE(stream->Read(&request));
    EXPECT_EQ(request.type(), Packet::PACKET_FIN);
    stream->Write(OfType(Packet::PACKET_FIN));
    return grpc::Status::OK;
  });
  FakeClient client({&service});
  RecordingSink sink([](const FileStat& stat) { return stat.path != "c"; });
  FileSyncRequest request;
  request.dir_name = "context";
  uint64_t progress = 0;
  request.on_progress = [&progress](uint64_t bytes) { progress = bytes; };

  ASSERT_OK_AND_ASSIGN(const FileSyncResult result,
                       ReceiveFiles(client.session(), request, sink, {}));

  EXPECT_THAT(sink.paths, ElementsAre("a", "a/b", "c", "d"));
  EXPECT_EQ(sink.contents, (std::map<std::string, std::string>{{"a/b", "hello"}}));
  EXPECT_THAT(sink.ended, ElementsAre("a/b"));
  EXPECT_TRUE(sink.stats["d"].hard_link);
  EXPECT_EQ(sink.stats["a"].mode, static_cast<mode_t>(S_IFDIR | 0755));
  EXPECT_EQ(result.entries, 4U);
  EXPECT_EQ(result.files, 1U);
  EXPECT_EQ(result.bytes, progress);
}

// Go's protobuf does not check strings. A name in Latin-1 made the packet unreadable here, and the
// transfer waited for a sender that waited for it.
TEST(FileSyncTest, NamesNeedNotBeUtf8) {
  RecordingSink sink([](const FileStat&) { return false; });
  ASSERT_OK(ReceiveFrom({Entry("a\xff", 0644), Packet(), OfType(Packet::PACKET_FIN)}, sink));
  EXPECT_THAT(sink.paths, ElementsAre("a\xff"));
}

TEST(FileSyncTest, EmptyDirectoryIsTwoBytes) {
  ScriptedFileSync service([](grpc::ServerContext*, ServerStream* stream) {
    stream->Write(Packet());
    Packet fin;
    EXPECT_TRUE(stream->Read(&fin));
    stream->Write(OfType(Packet::PACKET_FIN));
    return grpc::Status::OK;
  });
  FakeClient client({&service});
  RecordingSink sink;

  ASSERT_OK_AND_ASSIGN(const FileSyncResult result,
                       ReceiveFiles(client.session(), FileSyncRequest{}, sink, {}));

  EXPECT_EQ(result.bytes, 2U);
}

TEST(FileSyncTest, ManyRequestsDoNotStallASenderThatWaitsForItsData) {
  constexpr uint32_t kFiles = 20000;
  // Answers each request before it reads the next one.
  ScriptedFileSync service([](grpc::ServerContext*, ServerStream* stream) {
    char name[16];
    for (uint32_t i = 0; i < kFiles; ++i) {
      snprintf(name, sizeof name, "%06u", i);
      stream->Write(Entry(name, 0644, 1));
    }
    stream->Write(Packet());
    Packet request;
    while (stream->Read(&request) && request.type() == Packet::PACKET_REQ) {
      stream->Write(Data(request.id(), "x"));
      stream->Write(Data(request.id(), ""));
    }
    stream->Write(OfType(Packet::PACKET_FIN));
    return grpc::Status::OK;
  });
  FakeClient client({&service});
  RecordingSink sink;

  ASSERT_OK_AND_ASSIGN(const FileSyncResult result,
                       ReceiveFiles(client.session(), FileSyncRequest{}, sink, {}));

  EXPECT_EQ(result.files, kFiles);
  EXPECT_EQ(sink.ended.size(), kFiles);
}

TEST(FileSyncTest, NamesThatDoNotFitAHeaderAreEncoded) {
  ScriptedFileSync service([](grpc::ServerContext* context, ServerStream* stream) {
    const auto& headers = context->client_metadata();
    EXPECT_EQ(headers.find("followpaths")->second, "%C3%A4+b");
    EXPECT_EQ(headers.find("followpaths-encoded")->second, "1");
    EXPECT_EQ(headers.find("include-patterns")->second, "a b");
    EXPECT_EQ(headers.count("include-patterns-encoded"), 0U);
    stream->Write(Packet());
    Packet fin;
    stream->Read(&fin);
    stream->Write(OfType(Packet::PACKET_FIN));
    return grpc::Status::OK;
  });
  FakeClient client({&service});
  RecordingSink sink;
  FileSyncRequest request;
  request.follow_paths = {"\xc3\xa4 b"};
  request.include_patterns = {"a b"};

  EXPECT_OK(ReceiveFiles(client.session(), request, sink, {}));
}

TEST(FileSyncTest, ClientsOwnErrorIsReturned) {
  ScriptedFileSync service([](grpc::ServerContext*, ServerStream*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no access allowed to dir \"x\"");
  });
  FakeClient client({&service});
  RecordingSink sink;

  EXPECT_THAT(ReceiveFiles(client.session(), FileSyncRequest{}, sink, {}),
              StatusIs(absl::StatusCode::kNotFound, "no access allowed to dir \"x\""));
}

TEST(FileSyncTest, ErrPacketEndsTheTransfer) {
  Packet error = OfType(Packet::PACKET_ERR);
  error.set_data("permission denied");
  RecordingSink sink;

  EXPECT_THAT(ReceiveFrom({error}, sink),
              StatusIs(absl::StatusCode::kUnknown, "error from sender: permission denied"));
}

TEST(FileSyncTest, HostileStreamsAreRefused) {
  const std::vector<std::vector<Packet>> streams = {
      {Entry("../x")},
      {Entry("/x")},
      {Entry("a/b")},
      {Entry("b"), Entry("a")},
      {Entry("a", 0644, -1)},
      {Data(0, "x")},
      {Entry("a", kGoDir | 0755), Data(0, "x")},
      {Entry("a"), Packet(), Entry("b")},
      {Entry("a"), Packet(), Packet()},
      {Entry("a"), OfType(Packet::PACKET_FIN)},
      {OfType(Packet::PACKET_REQ)},
      {Entry("a"), Data(0, ""), Data(0, "")},
  };
  for (const auto& packets : streams) {
    RecordingSink sink;
    EXPECT_EQ(ReceiveFrom(packets, sink).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(FileSyncTest, SenderThatLeavesEarlyIsAnError) {
  ScriptedFileSync service([](grpc::ServerContext*, ServerStream* stream) {
    stream->Write(Entry("a"));
    return grpc::Status::OK;
  });
  FakeClient client({&service});
  RecordingSink sink;

  EXPECT_THAT(ReceiveFiles(client.session(), FileSyncRequest{}, sink, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("left before the end")));
}

TEST(FileSyncTest, EntriesAreLimited) {
  ScriptedFileSync service([](grpc::ServerContext*, ServerStream* stream) {
    stream->Write(Entry("a"));
    stream->Write(Entry("b"));
    Packet ignored;
    while (stream->Read(&ignored)) {
    }
    return grpc::Status::OK;
  });
  FakeClient client({&service});
  RecordingSink sink;
  FileSyncRequest request;
  request.max_entries = 1;

  EXPECT_EQ(ReceiveFiles(client.session(), request, sink, {}).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(FileSyncTest, SinksErrorIsReturned) {
  RecordingSink sink;
  sink.fail_data = true;

  EXPECT_THAT(ReceiveFrom({Entry("a", 0644, 1), Data(0, "x")}, sink),
              StatusIs(absl::StatusCode::kDataLoss, "disk full"));
}

TEST(FileSyncTest, CancelledBuildEndsTheTransfer) {
  CancelSource cancel;
  ScriptedFileSync service([&cancel](grpc::ServerContext*, ServerStream* stream) {
    cancel.Cancel();
    Packet ignored;
    while (stream->Read(&ignored)) {
    }
    return grpc::Status::OK;
  });
  FakeClient client({&service});
  RecordingSink sink;

  EXPECT_THAT(ReceiveFiles(client.session(), FileSyncRequest{}, sink, cancel.token()),
              StatusIs(absl::StatusCode::kCancelled, "context canceled"));
}

TEST(FileSyncTest, EndOfTheSessionEndsTheTransfer) {
  FakeClient* client = nullptr;
  ScriptedFileSync service([&client](grpc::ServerContext*, ServerStream* stream) {
    client->session().Close("the client disconnected");
    Packet ignored;
    while (stream->Read(&ignored)) {
    }
    return grpc::Status::OK;
  });
  FakeClient fake({&service});
  client = &fake;
  RecordingSink sink;

  EXPECT_THAT(ReceiveFiles(fake.session(), FileSyncRequest{}, sink, {}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("session client ended")));
}

}  // namespace
}  // namespace cairn::session
