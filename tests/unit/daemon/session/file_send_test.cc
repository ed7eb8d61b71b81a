#include "daemon/session/file_send.h"

#include <grpcpp/generic/async_generic_service.h>
#include <sys/stat.h>

#include <functional>

#include "proto/file_sync.grpc.pb.h"
#include "tests/unit/daemon/session/fake_client.h"
#include "tests/unit/testing.h"

namespace cairn::session {
namespace {

using fsutil::types::Packet;
using UploadMessage = moby::filesync::v1::BytesMessage;
using testing::StatusIs;
using UploadStream = grpc::ServerReaderWriter<UploadMessage, UploadMessage>;

constexpr char kMethod[] = "/moby.filesync.v1.filesend/diffcopy";

class ScriptedFileSend final : public moby::filesync::v1::FileSend::Service {
 public:
  using Script = std::function<grpc::Status(grpc::ServerContext*, UploadStream*)>;
  explicit ScriptedFileSend(Script script) : script_(std::move(script)) {}
  grpc::Status DiffCopy(grpc::ServerContext* context, UploadStream* stream) override {
    return script_(context, stream);
  }

 private:
  Script script_;
};

// A FileSend service with packets for messages, as the exporter "local" has it.
class PacketFileSend final : public grpc::Service {
 public:
  using Stream = grpc::ServerReaderWriter<Packet, Packet>;
  explicit PacketFileSend(std::function<grpc::Status(Stream*)> script)
      : script_(std::move(script)) {
    AddMethod(new grpc::internal::RpcServiceMethod(
        "/moby.filesync.v1.FileSend/DiffCopy", grpc::internal::RpcMethod::BIDI_STREAMING,
        new grpc::internal::BidiStreamingHandler<PacketFileSend, Packet, Packet>(
            [](PacketFileSend* service, grpc::ServerContext*, Stream* stream) {
              return service->script_(stream);
            },
            this)));
  }

 private:
  std::function<grpc::Status(Stream*)> script_;
};

class SmallTree final : public TreeSource {
 public:
  StatusOr<std::optional<FileStat>> NextEntry() override {
    FileStat stat;
    switch (next_++) {
      case 0:
        stat.path = "d";
        stat.mode = S_IFDIR | 0755;
        return stat;
      case 1:
        stat.path = "d/f";
        stat.mode = S_IFREG | 0644;
        stat.size = 3;
        return stat;
      default:
        return std::nullopt;
    }
  }
  Status ReadContent(uint32_t id, const std::function<Status(string_view)>& write) override {
    EXPECT_EQ(id, 1U);
    return write("abc");
  }

 private:
  int next_ = 0;
};

Packet PacketOfType(Packet::PacketType type, uint32_t id = 0) {
  Packet packet;
  packet.set_type(type);
  packet.set_id(id);
  return packet;
}

TEST(FileSendTest, SendsTheListTheWantedContentsAndFin) {
  std::string received;
  PacketFileSend service([&received](PacketFileSend::Stream* stream) {
    Packet packet;
    for (int i = 0; i < 3 && stream->Read(&packet); ++i) {
      received += packet.has_stat() ? packet.stat().path() + ";" : "end;";
    }
    stream->Write(PacketOfType(Packet::PACKET_REQ, 1));
    while (stream->Read(&packet) && !packet.data().empty()) {
      received += packet.data();
    }
    stream->Write(PacketOfType(Packet::PACKET_FIN));
    EXPECT_TRUE(stream->Read(&packet));
    EXPECT_EQ(packet.type(), Packet::PACKET_FIN);
    return grpc::Status::OK;
  });
  FakeClient client({&service});
  SmallTree tree;

  EXPECT_OK(SendTree(client.session(), {}, tree, {}, nullptr));
  EXPECT_EQ(received, "d;d/f;end;abc");
}

TEST(FileSendTest, RequestForADirectorysContentIsRefused) {
  PacketFileSend service([](PacketFileSend::Stream* stream) {
    stream->Write(PacketOfType(Packet::PACKET_REQ, 0));
    Packet packet;
    while (stream->Read(&packet)) {
    }
    return grpc::Status::OK;
  });
  FakeClient client({&service});
  SmallTree tree;

  EXPECT_EQ(SendTree(client.session(), {}, tree, {}, nullptr).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(FileSendTest, ReceiversFailureIsReturned) {
  PacketFileSend service([](PacketFileSend::Stream*) {
    return grpc::Status(grpc::StatusCode::UNKNOWN, "no space left on device");
  });
  FakeClient client({&service});
  SmallTree tree;

  EXPECT_THAT(SendTree(client.session(), {}, tree, {}, nullptr),
              StatusIs(absl::StatusCode::kUnknown, "no space left on device"));
}

TEST(FileSendTest, StreamIsCutIntoMessagesWithItsMetadata) {
  std::string received;
  size_t largest = 0;
  ScriptedFileSend service([&](grpc::ServerContext* context, UploadStream* stream) {
    const auto& headers = context->client_metadata();
    EXPECT_EQ(headers.find("buildkit-attachable-exporter-id")->second, "2");
    EXPECT_EQ(headers.find("exporter-md-containerimage.digest")->second, "sha256:x");
    UploadMessage message;
    while (stream->Read(&message)) {
      received += message.data();
      largest = std::max(largest, message.data().size());
    }
    return grpc::Status::OK;
  });
  FakeClient client({&service}, {kMethod});
  FileSendRequest request;
  request.exporter_id = 2;
  request.metadata = {{"containerimage.digest", "sha256:x"}};
  const std::string data(5 << 20, 'x');

  ASSERT_OK_AND_ASSIGN(auto upload, StreamUpload::Open(client.shared_session(), request, {}));
  ASSERT_OK(upload->Write(data));
  ASSERT_OK(upload->Finish());

  EXPECT_EQ(received, data);
  EXPECT_LE(largest, size_t{3} << 20);
}

TEST(FileSendTest, ExistingTargetIsReported) {
  ScriptedFileSend service([](grpc::ServerContext*, UploadStream*) {
    return grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "target already exists");
  });
  FakeClient client({&service}, {kMethod});

  ASSERT_OK_AND_ASSIGN(auto upload, StreamUpload::Open(client.shared_session(), {}, {}));

  EXPECT_EQ(upload->Finish().code(), absl::StatusCode::kAlreadyExists);
  // As often as it is asked: a Write that failed has asked before.
  EXPECT_EQ(upload->Finish().code(), absl::StatusCode::kAlreadyExists);
}

TEST(FileSendTest, AbandonedUploadBreaksTheCallOff) {
  bool cancelled = false;
  ScriptedFileSend service([&cancelled](grpc::ServerContext* context, UploadStream* stream) {
    UploadMessage message;
    while (stream->Read(&message)) {
    }
    cancelled = context->IsCancelled();
    return grpc::Status::OK;
  });
  {
    FakeClient client({&service}, {kMethod});
    ASSERT_OK_AND_ASSIGN(auto upload, StreamUpload::Open(client.shared_session(), {}, {}));
    ASSERT_OK(upload->Write("half"));
  }
  EXPECT_TRUE(cancelled);
}

TEST(FileSendTest, ClientWithoutTheMethodIsUnimplemented) {
  ScriptedFileSend service(nullptr);
  FakeClient client({&service}, {});

  EXPECT_EQ(StreamUpload::Open(client.shared_session(), {}, {}).status().code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace cairn::session
