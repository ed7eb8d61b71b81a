#include "daemon/source/http_source.h"

#include "proto/ops.pb.h"
#include "tests/unit/daemon/ops/op_fixture.h"
#include "tests/unit/daemon/session/fake_client.h"
#include "tests/unit/daemon/session/fake_secrets.h"
#include "tests/unit/runtime/net/fake_http_server.h"
#include "tests/unit/testing.h"

namespace cairn::source {
namespace {

using ::cairn::testing::FakeHttpServer;
using ::cairn::testing::FakeRequest;
using ::cairn::testing::FakeResponse;
using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "content1", compressed by gzip.
constexpr unsigned char kGzip[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff,
                                   0x4b, 0xce, 0xcf, 0x2b, 0x49, 0xcd, 0x2b, 0x31, 0x04, 0x00,
                                   0xcb, 0x31, 0x28, 0x2c, 0x08, 0x00, 0x00, 0x00};

class HttpSourceTest : public ops::testing::OpTest {
 protected:
  StatusOr<std::vector<std::string>> Get(const session::SessionGroup& sessions = {}) {
    pb::SourceOp op;
    op.set_identifier(server_.url("/dir/foo").ToString());
    ASSIGN_OR_RETURN(const auto source, HttpSource::Create(op, {.sessions = sessions_,
                                                                .chains = *chains_,
                                                                .database = *database_,
                                                                .http = http_}));
    job_.sessions() = sessions;
    solver::OpContext context = Context();
    RETURN_IF_ERROR(source->Prepare(context).status());
    ASSIGN_OR_RETURN(const std::vector<solver::OpOutput> outputs, source->Run(context, {}));
    return Describe(outputs.at(0).chain);
  }

  std::vector<std::string> Requests(const std::string& header) {
    std::vector<std::string> lines;
    for (const FakeRequest& request : server_.requests()) {
      lines.push_back(request.method + " " + request.Header(header));
    }
    return lines;
  }

  FakeResponse response_{.headers = {{"ETag", "\"1\""}}, .body = "content1"};
  FakeHttpServer server_{[this](const FakeRequest&) { return response_; }};
  net::HttpClient http_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  session::SessionManager sessions_{log_};
};

TEST_F(HttpSourceTest, ACompressedAnswerIsTheSameFile) {
  response_.headers.emplace_back("Content-Encoding", "gzip");
  response_.body.assign(reinterpret_cast<const char*>(kGzip), sizeof kGzip);

  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> files, Get());

  EXPECT_THAT(files, ElementsAre("file foo 600 0:0 content1"));
  EXPECT_THAT(Requests("Accept-Encoding"), ElementsAre("GET gzip"));
}

TEST_F(HttpSourceTest, AnUnknownEncodingIsTakenAsItIs) {
  response_.headers.emplace_back("Content-Encoding", "aws-chunked");

  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> files, Get());

  EXPECT_THAT(files, ElementsAre("file foo 600 0:0 content1"));
}

TEST_F(HttpSourceTest, OneBuildAsksOnce) {
  ASSERT_OK(Get());
  response_ = {.headers = {{"ETag", "\"2\""}}, .body = "content2"};

  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> same, Get());
  EXPECT_THAT(same, ElementsAre("file foo 600 0:0 content1"));
  EXPECT_EQ(server_.requests().size(), 1u);

  job_.memory().Clear();  // another build
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> changed, Get());
  EXPECT_THAT(changed, ElementsAre("file foo 600 0:0 content2"));
  EXPECT_THAT(Requests("If-None-Match"), ElementsAre("GET ", "HEAD \"1\"", "GET "));
}

TEST_F(HttpSourceTest, AnUnchangedFileIsNotFetchedAgain) {
  ASSERT_OK(Get());
  job_.memory().Clear();
  ASSERT_OK_AND_ASSIGN(const std::vector<std::string> same, Get());
  EXPECT_THAT(same, ElementsAre("file foo 600 0:0 content1"));
  EXPECT_THAT(Requests("If-None-Match"), ElementsAre("GET ", "HEAD \"1\""));
}

TEST_F(HttpSourceTest, TheClientMayHaveATokenOrAHeaderForTheHost) {
  session::testing::FakeSecrets secrets;
  secrets.values["HTTP_AUTH_HEADER_127.0.0.1"] = "Basic abc";
  session::FakeClient client({&secrets}, {"/moby.buildkit.secrets.v1.Secrets/GetSecret"});
  sessions_.Add(client.shared_session());
  const session::SessionGroup group({"client"});

  ASSERT_OK(Get(group));
  secrets.values["HTTP_AUTH_TOKEN_127.0.0.1"] = "123456";
  job_.memory().Clear();
  ASSERT_OK(Get(group));

  EXPECT_THAT(Requests("Authorization"), ElementsAre("GET Basic abc", "HEAD Bearer 123456"));
  sessions_.Remove(client.session());
}

TEST_F(HttpSourceTest, AnErrorNamesItsStatus) {
  response_.status = 404;
  EXPECT_THAT(Get(),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("invalid response status 404")));
}

// Such a file was of the epoch, where one without a checksum had the server's time.
TEST_F(HttpSourceTest, AFileKnownByItsChecksumHasTheServersTime) {
  response_.headers.emplace_back("Last-Modified", "Thu, 01 Jan 1970 00:01:40 GMT");
  pb::SourceOp op;
  op.set_identifier(server_.url("/dir/foo").ToString());
  const auto run = [&](const std::string& content) -> StatusOr<absl::Time> {
    (*op.mutable_attrs())["http.checksum"] = Digest::Of(content).ToString();
    ASSIGN_OR_RETURN(const auto source, HttpSource::Create(op, {.sessions = sessions_,
                                                                .chains = *chains_,
                                                                .database = *database_,
                                                                .http = http_}));
    solver::OpContext context = Context();
    RETURN_IF_ERROR(source->Prepare(context).status());
    ASSIGN_OR_RETURN(const std::vector<solver::OpOutput> outputs, source->Run(context, {}));
    ASSIGN_OR_RETURN(const tree::TreeRef tree, chains_->TreeOf(outputs.at(0).chain));
    ASSIGN_OR_RETURN(const auto root, trees_->Load(tree.digest));
    return absl::FromUnixNanos(root->entries.at(0).metadata.mtime_ns);
  };
  EXPECT_THAT(run("content1"), testing::IsOkAndHolds(absl::FromUnixSeconds(100)));
  EXPECT_THAT(run("other"),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr(absl::StrCat("digest mismatch ", Digest::Of("content1").ToString(),
                                              ": ", Digest::Of("other").ToString()))));
}

// What a PGP signature is about: the file with the signature's own trailer behind it.
TEST_F(HttpSourceTest, ChecksumsWithASuffix) {
  pb::SourceOp op;
  op.set_identifier(server_.url("/dir/foo").ToString());
  ASSERT_OK_AND_ASSIGN(
      const auto source,
      HttpSource::Create(
          op, {.sessions = sessions_, .chains = *chains_, .database = *database_, .http = http_}));
  ASSERT_OK_AND_ASSIGN(const HttpFile file, source->Resolve({}, job_.memory(), {}));
  EXPECT_THAT(source->ChecksumOf(file, "sha256", "-suffix", {}, {}),
              testing::IsOkAndHolds(Digest::Of("content1-suffix").ToString()));
  EXPECT_THAT(source->ChecksumOf(file, "sha256", std::string(4097, 'x'), {}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("suffix exceeds max size")));
  EXPECT_THAT(
      source->ChecksumOf(file, "99", "", {}, {}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unsupported checksum algorithm")));
}

}  // namespace
}  // namespace cairn::source
