#include "daemon/server/listeners.h"

#include <grpcpp/create_channel.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control/health_service.h"
#include "daemon/server/service_manager.h"
#include "runtime/base/fd.h"
#include "tests/unit/testing.h"

namespace cairn::server {
namespace {

using ::testing::HasSubstr;

bool Answers(const std::string& target) {
  auto stub = grpc::health::v1::Health::NewStub(
      grpc::CreateChannel(target, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  grpc::health::v1::HealthCheckResponse response;
  return stub->Check(&context, grpc::health::v1::HealthCheckRequest(), &response).ok();
}

class ListenersTest : public ::testing::Test {
 protected:
  StatusOr<std::unique_ptr<Listeners>> Open(const std::vector<std::string>& addresses) {
    config_.addresses = addresses;
    return Listeners::Open(config_, {&health_}, log_);
  }

  testing::TempDir dir_;
  Config config_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  control::CallThreads threads_;
  control::HealthService health_{threads_, CancelToken()};
};

TEST_F(ListenersTest, UnixSocketsAreMadeWithTheirFolderAndMode) {
  const std::string path = dir_ / "run/d.sock";

  ASSERT_OK_AND_ASSIGN(auto listeners, Open({"unix://" + path}));

  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0660U);
  EXPECT_TRUE(Answers("unix:" + path));
}

TEST_F(ListenersTest, TcpSaysItsPort) {
  ASSERT_OK_AND_ASSIGN(auto listeners, Open({"tcp://127.0.0.1:0"}));

  ASSERT_EQ(listeners->addresses().size(), 1U);
  EXPECT_THAT(listeners->addresses()[0], ::testing::Not(HasSubstr(":0")));
  EXPECT_TRUE(Answers(listeners->addresses()[0].substr(6)));
}

TEST_F(ListenersTest, BadAddressesAreErrorsThatNameThem) {
  EXPECT_THAT(std::string(Open({"http://x"}).status().message()), HasSubstr("http://x"));
  EXPECT_FALSE(Open({"tcp://noport"}).ok());
  EXPECT_FALSE(Open({"fd://"}).ok());
}

TEST_F(ListenersTest, SocketsInUseAreErrors) {
  ASSERT_OK_AND_ASSIGN(auto listeners, Open({"tcp://127.0.0.1:0"}));

  EXPECT_FALSE(Open({listeners->addresses()[0]}).ok());
}

TEST(ServiceManagerTest, StateIsSentToTheSocket) {
  testing::TempDir dir;
  const std::string path = dir / "notify";
  const UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  setenv("NOTIFY_SOCKET", path.c_str(), 1);

  NotifyServiceManager("READY=1");

  char buffer[32] = {};
  EXPECT_EQ(recv(fd.get(), buffer, sizeof buffer, 0), 7);
  EXPECT_STREQ(buffer, "READY=1");
  unsetenv("NOTIFY_SOCKET");
}

}  // namespace
}  // namespace cairn::server
