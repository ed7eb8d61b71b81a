#include "daemon/source/blob_source.h"

#include "absl/strings/str_cat.h"
#include "proto/ops.pb.h"
#include "tests/unit/daemon/ops/op_fixture.h"
#include "tests/unit/daemon/session/fake_client.h"
#include "tests/unit/daemon/source/layout_service.h"
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

class BlobSourceTest : public ops::testing::OpTest {
 protected:
  StatusOr<std::vector<std::string>> Get(const std::string& reference) {
    pb::SourceOp op;
    op.set_identifier("docker-image+blob://" + reference);
    (*op.mutable_attrs())["http.filename"] = "dir/layer.tar";
    (*op.mutable_attrs())["http.uid"] = "123";
    return Run(op);
  }

  // Of the client's layout.
  StatusOr<std::vector<std::string>> GetFromLayout(const Digest& blob, const std::string& store) {
    session::FakeClient client({&layout_}, {"/containerd.services.content.v1.Content/Info"});
    sessions_.Add(client.shared_session());
    job_.sessions() = session::SessionGroup({"client"});
    pb::SourceOp op;
    op.set_identifier("oci-layout+blob://not/real@" + blob.ToString());
    (*op.mutable_attrs())["oci.store"] = store;
    return Run(op);
  }

  StatusOr<std::vector<std::string>> Run(const pb::SourceOp& op) {
    ASSIGN_OR_RETURN(
        const auto source,
        BlobSource::Create(op, {.sessions = sessions_, .chains = *chains_, .registry = registry_}));
    solver::OpContext context = Context();
    RETURN_IF_ERROR(source->Prepare(context).status());
    ASSIGN_OR_RETURN(const std::vector<solver::OpOutput> outputs, source->Run(context, {}));
    return Describe(outputs.at(0).chain);
  }

  FakeResponse response_{.headers = {{"Content-Length", "5"}}, .body = "bytes"};
  FakeHttpServer server_{[this](const FakeRequest&) { return response_; }};
  net::HttpClient http_;
  registry::RegistryClient registry_{http_, registry::HostTable(), clock_};
  LayoutService layout_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  session::SessionManager sessions_{log_};
};

TEST_F(BlobSourceTest, ABlobIsOneFile) {
  EXPECT_THAT(Get(absl::StrCat(server_.address(), "/a/b@", Digest::Of("bytes").ToString())),
              testing::IsOkAndHolds(ElementsAre("file layer.tar 600 123:0 bytes")));
}

// Its digest alone must not open what is here from somebody else's repository.
TEST_F(BlobSourceTest, ARepositoryThatHasItNotGivesNothing) {
  ASSERT_OK(blobs_->Put("bytes"));
  response_ = FakeResponse{.status = 404};
  EXPECT_THAT(Get(absl::StrCat(server_.address(), "/a/b@", Digest::Of("bytes").ToString())),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("not found")));
}

// Such sources were not known.
TEST_F(BlobSourceTest, ABlobOfAClientsLayoutIsOneFile) {
  const Digest blob = Digest::Of("bytes");
  layout_.blobs[blob.ToString()] = "bytes";
  EXPECT_THAT(
      GetFromLayout(blob, "layout"),
      testing::IsOkAndHolds(ElementsAre(absl::StrCat("file ", blob.hex(), " 600 0:0 bytes"))));
  EXPECT_TRUE(absl::IsNotFound(GetFromLayout(blob, "other").status()));
  EXPECT_TRUE(absl::IsNotFound(GetFromLayout(Digest::Of("other"), "layout").status()));
  EXPECT_THAT(GetFromLayout(blob, ""),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("requires store id")));
}

TEST_F(BlobSourceTest, WhatAClientSaysOfItsBlobIsChecked) {
  const Digest blob = Digest::Of("bytes");
  layout_.blobs[blob.ToString()] = "lies!";
  EXPECT_TRUE(absl::IsDataLoss(GetFromLayout(blob, "layout").status()));
}

TEST_F(BlobSourceTest, ATagNamesNoBlob) {
  EXPECT_THAT(Get("example.com/a:1"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("by its digest")));
}

}  // namespace
}  // namespace cairn::source
