#include "daemon/control/errors.h"

#include "daemon/llb/errors.h"
#include "daemon/session/rpc_status.h"
#include "proto/rpc_status.pb.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

using testing::StatusIs;

TEST(ErrorsTest, BuildDetailsBecomeTheJsonThatClientsPrint) {
  errdefs::Source source;
  source.mutable_info()->set_filename("Dockerfile");
  source.mutable_info()->mutable_definition()->add_def("op");
  Status status = llb::WithSource(absl::UnknownError("failed"), source);
  status = llb::WithVertex(status, Digest::Of("v"));
  status = llb::WithExitCode(status, 3);

  const google::rpc::Status wire = EncodeRpcStatus(status);

  ASSERT_EQ(wire.details_size(), 3);
  EXPECT_EQ(wire.details(0).type_url(), "github.com/moby/buildkit/errdefs.Source+json");
  EXPECT_EQ(wire.details(0).value(),
            R"({"info":{"filename":"Dockerfile","definition":{"def":["b3A="]}}})");
  EXPECT_EQ(wire.details(1).type_url(), "github.com/moby/buildkit/errdefs.Vertex+json");
  EXPECT_EQ(wire.details(2).value(), R"({"Code":3})");
}

TEST(ErrorsTest, ALargeGraphStaysHere) {
  errdefs::Source source;
  source.mutable_info()->set_filename("Dockerfile");
  source.mutable_info()->mutable_definition()->add_def(std::string(100'000, 'x'));

  const google::rpc::Status wire =
      EncodeRpcStatus(llb::WithSource(absl::UnknownError("failed"), source));

  ASSERT_EQ(wire.details_size(), 1);
  EXPECT_EQ(wire.details(0).value(), R"({"info":{"filename":"Dockerfile"}})");
}

TEST(ErrorsTest, DetailsOfAFrontendPassThrough) {
  Status status = absl::UnimplementedError("x");
  status.SetPayload("example.com/Detail", absl::Cord("v"));

  const google::rpc::Status wire = EncodeRpcStatus(status);

  ASSERT_EQ(wire.details_size(), 1);
  EXPECT_EQ(wire.details(0).value(), "v");
}

TEST(ErrorsTest, OnlyCodesThatClientsActOnStay) {
  EXPECT_THAT(BuildFailure(absl::NotFoundError("m")), StatusIs(absl::StatusCode::kUnknown, "m"));
  EXPECT_THAT(BuildFailure(absl::DataLossError("m")), StatusIs(absl::StatusCode::kUnknown, "m"));
  EXPECT_THAT(BuildFailure(absl::CancelledError("m")), StatusIs(absl::StatusCode::kCancelled, "m"));
  EXPECT_THAT(BuildFailure(absl::ResourceExhaustedError("m")),
              StatusIs(absl::StatusCode::kResourceExhausted, "m"));
  EXPECT_OK(BuildFailure(absl::OkStatus()));

  const Status failed = llb::WithExitCode(absl::AbortedError("m"), 1);
  EXPECT_EQ(llb::ExitCodeOf(BuildFailure(failed)), 1U);
}

}  // namespace
}  // namespace cairn::control
