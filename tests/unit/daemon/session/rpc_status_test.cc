#include "daemon/session/rpc_status.h"

#include "daemon/session/grpc_status.h"
#include "proto/error_details.pb.h"
#include "proto/gateway.pb.h"
#include "proto/rpc_status.pb.h"
#include "tests/unit/testing.h"

namespace cairn::session {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(RpcStatusTest, DetailsAreJsonUnderBuildKitsNames) {
  Status status = absl::UnknownError("step failed");
  errdefs::Vertex vertex;
  vertex.set_digest("sha256:ab");
  errdefs::Source source;
  source.mutable_info()->set_filename("Dockerfile");
  source.mutable_info()->set_data("FROM x");
  source.add_ranges()->mutable_start()->set_line(1);
  moby::buildkit::v1::frontend::ExitMessage exit;
  exit.set_code(7);

  AddErrorDetail(status, vertex);
  AddErrorDetail(status, source);
  AddErrorDetail(status, exit);

  EXPECT_THAT(
      ErrorDetails(status),
      ElementsAre(
          Pair(
              "github.com/moby/buildkit/errdefs.Source+json",
              R"({"info":{"filename":"Dockerfile","data":"RlJPTSB4"},"ranges":[{"start":{"line":1}}]})"),
          Pair("github.com/moby/buildkit/errdefs.Vertex+json", R"({"digest":"sha256:ab"})"),
          Pair("github.com/moby/buildkit/gatewayapi.ExitMessage+json", R"({"Code":7})")));
  EXPECT_EQ(ErrorDetailJson(status, "errdefs.Vertex+json"), R"({"digest":"sha256:ab"})");
}

TEST(RpcStatusTest, SeveralDetailsOfOneTypeKeepTheirOrder) {
  Status status = absl::UnknownError("x");
  for (const char* name : {"b", "a", "c"}) {
    errdefs::Source source;
    source.mutable_info()->set_filename(name);
    AddErrorDetail(status, source);
  }

  const auto details = ErrorDetails(FromRpcStatus(ToRpcStatus(status)));

  ASSERT_EQ(details.size(), 3U);
  EXPECT_EQ(details[0].second, R"({"info":{"filename":"b"}})");
  EXPECT_EQ(details[2].second, R"({"info":{"filename":"c"}})");
}

TEST(RpcStatusTest, GrpcStatusRoundTripsWithUnknownDetails) {
  Status status = absl::NotFoundError("no such job x");
  status.SetPayload("example.com/Other", absl::Cord("\x01\x02"));

  const grpc::Status wire = ToGrpcStatus(status);
  google::rpc::Status blob;
  ASSERT_TRUE(blob.ParseFromString(wire.error_details()));

  EXPECT_EQ(wire.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(blob.code(), static_cast<int>(wire.error_code()));
  EXPECT_EQ(FromGrpcStatus(wire), status);
}

TEST(RpcStatusTest, OwnPayloadsStayHome) {
  const Status status = ErrnoStatus(ENOENT, "open x");

  EXPECT_TRUE(ErrorDetails(status).empty());
  EXPECT_EQ(ToGrpcStatus(status).error_details(), "");
}

TEST(RpcStatusTest, CodesOutOfRangeAreUnknown) {
  google::rpc::Status wire;
  wire.set_code(99);

  EXPECT_EQ(FromRpcStatus(wire).code(), absl::StatusCode::kUnknown);
}

}  // namespace
}  // namespace cairn::session
