// The small clients, each against a service in this process.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/session/auth.h"
#include "daemon/session/content_client.h"
#include "daemon/session/policy_verifier.h"
#include "daemon/session/secrets.h"
#include "daemon/session/session_exporter.h"
#include "daemon/session/ssh_agent.h"
#include "daemon/session/upload.h"
#include "proto/auth.grpc.pb.h"
#include "proto/content.grpc.pb.h"
#include "proto/policy_session.grpc.pb.h"
#include "proto/secrets.grpc.pb.h"
#include "proto/session_exporter.grpc.pb.h"
#include "proto/ssh_forward.grpc.pb.h"
#include "proto/upload.grpc.pb.h"
#include "runtime/base/fd.h"
#include "tests/unit/daemon/session/fake_client.h"
#include "tests/unit/testing.h"

namespace cairn::session {
namespace {

namespace content = containerd::services::content::v1;
using testing::IsOkAndHolds;
using testing::StatusIs;

class FakeSecrets final : public moby::buildkit::secrets::v1::Secrets::Service {
  grpc::Status GetSecret(grpc::ServerContext*,
                         const moby::buildkit::secrets::v1::GetSecretRequest* request,
                         moby::buildkit::secrets::v1::GetSecretResponse* response) override {
    if (request->id() == "missing") {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "?");
    }
    response->set_data(request->id() == "big" ? std::string(kMaxSecretBytes + 1, 'x') : "hush");
    return grpc::Status::OK;
  }
};

TEST(SecretsTest, ReturnsTheSecretOrSaysThatThereIsNone) {
  FakeSecrets service;
  FakeClient client({&service});
  FakeClient without({});

  EXPECT_THAT(GetSecret(client.session(), "a", {}), IsOkAndHolds("hush"));
  EXPECT_THAT(GetSecret(client.session(), "missing", {}),
              StatusIs(absl::StatusCode::kNotFound, "secret missing: not found"));
  EXPECT_EQ(GetSecret(without.session(), "a", {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(GetSecret(client.session(), "big", {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

class FakeAuth final : public moby::filesync::v1::Auth::Service {
  grpc::Status Credentials(grpc::ServerContext*,
                           const moby::filesync::v1::CredentialsRequest* request,
                           moby::filesync::v1::CredentialsResponse* response) override {
    response->set_username("user of " + request->host());
    response->set_secret("s");
    return grpc::Status::OK;
  }
  grpc::Status FetchToken(grpc::ServerContext*,
                          const moby::filesync::v1::FetchTokenRequest* request,
                          moby::filesync::v1::FetchTokenResponse* response) override {
    response->set_token(request->clientid() + "/" + request->scopes(0));
    response->set_expiresin(60);
    return grpc::Status::OK;
  }
  grpc::Status VerifyTokenAuthority(
      grpc::ServerContext*, const moby::filesync::v1::VerifyTokenAuthorityRequest* request,
      moby::filesync::v1::VerifyTokenAuthorityResponse* response) override {
    response->set_signed_("signed " + request->payload());
    return grpc::Status::OK;
  }
};

TEST(AuthTest, AsksForCredentialsTokensAndSignatures) {
  FakeAuth service;
  FakeClient client({&service});

  ASSERT_OK_AND_ASSIGN(const Credentials credentials,
                       GetCredentials(client.session(), "registry.example", {}));
  ASSERT_OK_AND_ASSIGN(const Token token,
                       FetchToken(client.session(), {"h", "r", "s", {"repository:a:pull"}}, {}));

  EXPECT_EQ(credentials.username, "user of registry.example");
  EXPECT_EQ(token.token, "buildkit-client/repository:a:pull");
  EXPECT_EQ(token.expires_in, 60);
  EXPECT_THAT(VerifyTokenAuthority(client.session(), "h", "p", "salt", {}),
              IsOkAndHolds("signed p"));
  EXPECT_EQ(GetTokenAuthority(client.session(), "h", "salt", {}).status().code(),
            absl::StatusCode::kUnimplemented);
}

class FakeUpload final : public moby::upload::v1::Upload::Service {
  grpc::Status Pull(grpc::ServerContext* context,
                    grpc::ServerReaderWriter<moby::upload::v1::BytesMessage,
                                             moby::upload::v1::BytesMessage>* stream) override {
    const auto& headers = context->client_metadata();
    moby::upload::v1::BytesMessage message;
    message.set_data(std::string(headers.find("urlhost")->second.data(),
                                 headers.find("urlhost")->second.size()));
    stream->Write(message);
    message.set_data(std::string(headers.find("urlpath")->second.data(),
                                 headers.find("urlpath")->second.size()));
    stream->Write(message);
    return grpc::Status::OK;
  }
};

TEST(UploadTest, PullsWhatTheUrlNames) {
  FakeUpload service;
  FakeClient client({&service});
  std::string received;

  ASSERT_OK(PullUpload(client.session(), "buildkit-session", "/abc",
                       [&received](string_view data) {
                         received.append(data.data(), data.size());
                         return absl::OkStatus();
                       },
                       {}));
  EXPECT_EQ(received, "buildkit-session/abc");

  EXPECT_EQ(PullUpload(client.session(), "h", "/p",
                       [](string_view) { return absl::DataLossError("full"); }, {}),
            absl::DataLossError("full"));
}

// A store with one blob that takes others.
class FakeContent final : public content::Content::Service {
 public:
  std::string blob = "hello";
  std::string written;
  std::string labels;

 private:
  grpc::Status Info(grpc::ServerContext* context, const content::InfoRequest* request,
                    content::InfoResponse* response) override {
    EXPECT_EQ(context->client_metadata().find("buildkit-attachable-store-id")->second, "oci:x");
    if (request->digest() != Digest::Of(blob).ToString()) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "not found");
    }
    response->mutable_info()->set_size(static_cast<int64_t>(blob.size()));
    return grpc::Status::OK;
  }
  grpc::Status Read(grpc::ServerContext*, const content::ReadContentRequest* request,
                    grpc::ServerWriter<content::ReadContentResponse>* stream) override {
    content::ReadContentResponse response;
    for (const char c : blob.substr(static_cast<size_t>(request->offset()))) {
      response.set_data(std::string(1, c));
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
  grpc::Status Write(grpc::ServerContext*,
                     grpc::ServerReaderWriter<content::WriteContentResponse,
                                              content::WriteContentRequest>* stream) override {
    content::WriteContentRequest request;
    while (stream->Read(&request)) {
      if (request.expected() == Digest::Of("there").ToString()) {
        return grpc::Status(grpc::StatusCode::ALREADY_EXISTS, "exists");
      }
      if (request.action() != content::STAT) {
        EXPECT_EQ(static_cast<size_t>(request.offset()), written.size());
      }
      written += request.data();
      if (request.action() == content::COMMIT) {
        labels = request.labels().at("l");
      }
      content::WriteContentResponse response;
      response.set_offset(static_cast<int64_t>(written.size()));
      stream->Write(response);
      if (request.action() == content::COMMIT) {
        stream->Write(response);  // as containerd's server does
        return grpc::Status::OK;
      }
    }
    return grpc::Status::OK;
  }
};

TEST(ContentClientTest, ReadsAndChecksBlobs) {
  FakeContent service;
  FakeClient client({&service});
  const ContentClient store(client.shared_session(), "oci:x");

  ASSERT_OK_AND_ASSIGN(const BlobInfo info, store.Info(Digest::Of("hello"), {}));
  EXPECT_EQ(info.size, 5U);
  EXPECT_THAT(store.ReadAll(Digest::Of("hello"), 5, {}), IsOkAndHolds("hello"));
  EXPECT_EQ(store.ReadAll(Digest::Of("hello"), 4, {}).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(store.ReadAll(Digest::Of("other"), 100, {}).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(store.Info(Digest::Of("other"), {}).status().code(), absl::StatusCode::kNotFound);
}

TEST(ContentClientTest, WritesBlobsThatAreNotThere) {
  FakeContent service;
  FakeClient client({&service});
  const ContentClient store(client.shared_session(), "export");
  const std::string data((1 << 20) + 7, 'x');

  ASSERT_OK(store.Write(Digest::Of(data), data.size(), {{"l", "v"}},
                        [&data](const auto& write) { return write(data); }, {}));
  EXPECT_EQ(service.written, data);
  EXPECT_EQ(service.labels, "v");

  EXPECT_OK(store.Write(Digest::Of("there"), 5, {},
                        [](const auto& write) { return write("there"); }, {}));
  EXPECT_EQ(store.Write(Digest::Of("a"), 1, {},
                        [](const auto&) { return absl::DataLossError("gone"); }, {}),
            absl::DataLossError("gone"));
}

class FakeSsh final : public moby::sshforward::v1::SSH::Service {
  using Message = moby::sshforward::v1::BytesMessage;
  grpc::Status CheckAgent(grpc::ServerContext*,
                          const moby::sshforward::v1::CheckAgentRequest* request,
                          moby::sshforward::v1::CheckAgentResponse*) override {
    return request->id() == "default"
               ? grpc::Status::OK
               : grpc::Status(grpc::StatusCode::UNKNOWN, "unset ssh forward key " + request->id());
  }
  grpc::Status ForwardAgent(grpc::ServerContext* context,
                            grpc::ServerReaderWriter<Message, Message>* stream) override {
    EXPECT_EQ(context->client_metadata().find("buildkit.ssh.id")->second, "default");
    Message message;
    while (stream->Read(&message)) {
      message.set_data("<" + message.data() + ">");
      stream->Write(message);
    }
    return grpc::Status::OK;
  }
};

UniqueFd Connect(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path;
  return fd;
}

TEST(SshAgentTest, ForwardsEachConnection) {
  FakeSsh service;
  FakeClient client({&service});
  testing::TempDir dir;
  EXPECT_OK(CheckSshAgent(client.session(), "default", {}));
  EXPECT_THAT(CheckSshAgent(client.session(), "customID", {}),
              StatusIs(absl::StatusCode::kUnknown, "unset ssh forward key customID"));

  SshAgentOptions options;
  options.uid = geteuid();
  options.gid = getegid();
  std::string path;
  {
    ASSERT_OK_AND_ASSIGN(auto agent,
                         SshAgent::Listen(client.shared_session(), options, dir.path(), {}));
    path = agent->socket_path();
    const UniqueFd first = Connect(path);
    const UniqueFd second = Connect(path);
    ASSERT_OK(WriteAll(second.get(), "b"));
    ASSERT_OK(WriteAll(first.get(), "a"));
    char buffer[8] = {};
    EXPECT_EQ(read(first.get(), buffer, sizeof buffer), 3);
    EXPECT_STREQ(buffer, "<a>");
    EXPECT_EQ(read(second.get(), buffer, sizeof buffer), 3);
    EXPECT_STREQ(buffer, "<b>");
    shutdown(first.get(), SHUT_WR);
    EXPECT_EQ(read(first.get(), buffer, sizeof buffer), 0);
  }
  struct stat ignored;
  EXPECT_NE(stat(path.c_str(), &ignored), 0);
}

class FakeExporter final : public moby::exporter::v1::Exporter::Service {
  grpc::Status FindExporters(grpc::ServerContext*,
                             const moby::exporter::v1::FindExportersRequest* request,
                             moby::exporter::v1::FindExportersResponse* response) override {
    auto* exporter = response->add_exporters();
    exporter->set_type("oci");
    (*exporter->mutable_attrs())["k"] = request->metadata().at("m") + request->refs(0);
    return grpc::Status::OK;
  }
};

TEST(SessionExporterTest, AsksTheClientWhenItHasASay) {
  FakeExporter service;
  FakeClient client({&service});
  FakeClient without({});

  ASSERT_OK_AND_ASSIGN(const auto added, FindExporters(client.session(), {{"m", "v"}}, {"r"}, {}));
  ASSERT_EQ(added.size(), 1U);
  EXPECT_EQ(added[0].type, "oci");
  EXPECT_EQ(added[0].attrs.at("k"), "vr");

  ASSERT_OK_AND_ASSIGN(const auto none, FindExporters(without.session(), {}, {}, {}));
  EXPECT_TRUE(none.empty());
  EXPECT_OK(FinalizeExport(without.session(), {{"a", "b"}}, {}));
}

namespace policysession = moby::buildkit::v1::sourcepolicy::policysession;

class FakeVerifier final : public policysession::PolicyVerifier::Service {
  grpc::Status CheckPolicy(grpc::ServerContext*, const policysession::CheckPolicyRequest*,
                           policysession::CheckPolicyResponse* response) override {
    response->mutable_decision()->set_action(moby::buildkit::v1::sourcepolicy::DENY);
    return grpc::Status::OK;
  }
};

TEST(PolicyVerifierTest, ReturnsTheDecision) {
  FakeVerifier service;
  FakeClient client({&service});
  policysession::CheckPolicyResponse response;

  ASSERT_OK(CheckPolicy(client.session(), {}, &response, {}));

  EXPECT_EQ(response.decision().action(), moby::buildkit::v1::sourcepolicy::DENY);
}

}  // namespace
}  // namespace cairn::session
