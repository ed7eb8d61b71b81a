#include "client/render_error.h"

#include <grpcpp/grpcpp.h>

#include "tests/unit/testing.h"

namespace cairn::client {
namespace {

TEST(RenderErrorTest, BrokenConnectionsAreADaemonThatIsGone) {
  EXPECT_EQ(FromDaemon({grpc::UNAVAILABLE, "Socket closed"}).message(),
            "the daemon is gone: Socket closed");
}

// Seen with an image that no registry could be asked for: "the daemon is gone: docker.io/...: Could
// not resolve host", from a daemon that was well.
TEST(RenderErrorTest, RegistriesOutOfReachAreNotTheDaemonsEnd) {
  const std::string text = "docker.io/library/a:latest: head https://b: Connection reset by peer";

  EXPECT_EQ(FromDaemon({grpc::UNAVAILABLE, text}).message(), text);
}

}  // namespace
}  // namespace cairn::client
