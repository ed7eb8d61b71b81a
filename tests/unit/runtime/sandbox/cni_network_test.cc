// The protocol with CNI plugins, against a plugin that writes down what it is told.
#include "runtime/sandbox/cni_network.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "runtime/base/fd.h"
#include "runtime/base/thread_pool.h"
#include "tests/unit/testing.h"

namespace cairn::sandbox {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::StatusIs;

class CniNetworkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root to make network namespaces";
    }
    // As every program of ours does.
    ::signal(SIGPIPE, SIG_IGN);
    WritePlugin("first",
                "echo '{\"cniVersion\":\"0.4.0\",\"ips\":[{\"address\":\"10.1.1.1/24\"}]}'");
    WritePlugin("second", "echo '{\"cniVersion\":\"0.4.0\",\"chained\":true}'");
    options_.mode = "cni";
    options_.cni_binary_directory = dir_ / "bin";
    options_.cni_config = dir_.Write(
        "net.conflist",
        R"({"cniVersion":"0.4.0","name":"net","plugins":[{"type":"first","bridge":"b0"},{"type":"second"}]})");
  }

  void WritePlugin(const std::string& name, const std::string& body) {
    const std::string log = dir_ / "log";
    const std::string path = dir_.Write(
        "bin/" + name,
        "#!/bin/sh\n{ echo \"" + name +
            " $CNI_COMMAND $CNI_IFNAME $CNI_ARGS\"; readlink $CNI_NETNS; cat; echo; } >> " + log +
            "\n" + body + "\n");
    ::chmod(path.c_str(), 0755);
  }

  testing::TempDir dir_;
  NetworkOptions options_;
};

TEST_F(CniNetworkTest, PluginsAreAddedInOrderAndDeletedInReverse) {
  ASSERT_OK_AND_ASSIGN(const auto network, MakeNetwork(options_));
  EXPECT_FALSE(network->is_host());
  {
    ASSERT_OK_AND_ASSIGN(const auto attachment, network->Attach("box", {}));
    EXPECT_GE(attachment->network_namespace(), 0);
  }
  const std::string log = dir_.Read("log");
  const size_t add_first = log.find("first ADD eth0 IgnoreUnknown=1;K8S_POD_NAME=box\nnet:[");
  const size_t add_second = log.find("second ADD");
  const size_t del_second = log.find("second DEL");
  const size_t del_first = log.find("first DEL");
  EXPECT_LT(add_first, add_second);
  EXPECT_LT(add_second, del_second);
  EXPECT_LT(del_second, del_first);
  EXPECT_NE(del_first, std::string::npos);
  EXPECT_THAT(log, HasSubstr(R"("bridge":"b0","cniVersion":"0.4.0","name":"net")"));
  EXPECT_THAT(log, HasSubstr(R"("prevResult":{"cniVersion":"0.4.0","ips")"));
}

TEST_F(CniNetworkTest, FailedPluginIsNamedAndUndone) {
  WritePlugin(
      "second",
      "[ $CNI_COMMAND = DEL ] || { echo '{\"code\":11,\"msg\":\"no addresses left\"}'; exit 1; }");
  ASSERT_OK_AND_ASSIGN(const auto network, MakeNetwork(options_));
  EXPECT_THAT(network->Attach("", {}),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("no addresses left")));
  EXPECT_THAT(dir_.Read("log"), HasSubstr("first DEL"));
}

// Observed: two daemons that saw themselves under the same process id named their containers alike,
// and the address plugin refused the second.
TEST_F(CniNetworkTest, NamesAreOfNobodyElse) {
  WritePlugin("first", "echo \"id $CNI_CONTAINERID\" >> " + (dir_ / "ids") + "; echo '{}'");
  for (int daemon = 0; daemon < 2; ++daemon) {
    ASSERT_OK_AND_ASSIGN(const auto network, MakeNetwork(options_));
    ASSERT_OK(network->Attach("", {}));
  }
  const std::vector<std::string> ids = absl::StrSplit(dir_.Read("ids"), '\n', absl::SkipEmpty());
  ASSERT_EQ(ids.size(), 4);  // each is added and deleted
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(ids[2], ids[3]);
  EXPECT_NE(ids[0], ids[2]);
}

TEST_F(CniNetworkTest, WhatADeadDaemonHadIsDeleted) {
  options_.record_directory = dir_ / "records";
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    StatusOr<std::unique_ptr<Network>> network = MakeNetwork(options_);
    const bool attached = network.ok() && (*network)->Attach("box", {}).ok();
    // The attachment above was deleted with its value; this one stays.
    const auto left = attached ? (*network)->Attach("left", {}) : absl::UnknownError("");
    ::_exit(left.ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(daemon, &status, 0), daemon);
  ASSERT_EQ(status, 0);
  ASSERT_THAT(dir_.Read("log"), Not(HasSubstr("first DEL eth0 IgnoreUnknown=1;K8S_POD_NAME=left")));

  ASSERT_OK_AND_ASSIGN(const auto network, MakeNetwork(options_));
  const std::string log = dir_.Read("log");
  const size_t deleted = log.find("first DEL eth0 IgnoreUnknown=1;K8S_POD_NAME=left");
  ASSERT_NE(deleted, std::string::npos) << log;
  EXPECT_LT(log.find("second DEL eth0 IgnoreUnknown=1;K8S_POD_NAME=left"), deleted);
  EXPECT_THAT(log.substr(deleted), HasSubstr(R"("prevResult":{"chained":true)"));
  EXPECT_TRUE(std::filesystem::is_empty(options_.record_directory));
}

TEST_F(CniNetworkTest, AutoIsTheHostWithoutConfiguration) {
  options_.mode = "auto";
  ASSERT_OK_AND_ASSIGN(const auto cni, MakeNetwork(options_));
  EXPECT_EQ(cni->name(), "cni");
  options_.cni_config = dir_ / "missing";
  ASSERT_OK_AND_ASSIGN(const auto host, MakeNetwork(options_));
  EXPECT_EQ(host->name(), "host");
  options_.mode = "cni";
  EXPECT_THAT(MakeNetwork(options_), StatusIs(absl::StatusCode::kNotFound, HasSubstr("missing")));
  options_.mode = "bogus";
  EXPECT_THAT(MakeNetwork(options_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bogus")));
}

TEST_F(CniNetworkTest, BadConfigurationIsRefused) {
  for (const char* config : {"[]", "{", "{\"name\":\"x\"}", "{\"type\":\"../sh\"}"}) {
    options_.cni_config = dir_.Write("bad.json", config);
    EXPECT_THAT(MakeNetwork(options_),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("CNI")))
        << config;
  }
}

// Observed: an attachment that was being made when the network went away had its plugin killed, so
// that it was deleted without having been added.
TEST_F(CniNetworkTest, PluginAtWorkEndsBeforeItsAttachmentIsDeleted) {
  const std::string begun = dir_ / "begun";
  const std::string go_on = dir_ / "go-on";
  for (const std::string& fifo : {begun, go_on}) {
    ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  }
  const UniqueFd begun_end(::open(begun.c_str(), O_RDWR | O_CLOEXEC));
  const UniqueFd go_on_end(::open(go_on.c_str(), O_RDWR | O_CLOEXEC));
  WritePlugin("first", "[ $CNI_COMMAND = DEL ] || { echo > " + begun + "; read line < " + go_on +
                           "; echo first done >> " + (dir_ / "log") + "; }; echo '{}'");
  options_.cni_pool_size = 1;
  ASSERT_OK_AND_ASSIGN(std::unique_ptr<Network> network, MakeNetwork(options_));
  char byte = 0;
  ASSERT_EQ(::read(begun_end.get(), &byte, 1), 1);
  std::thread remover = StartThread("remover", [&network] { network.reset(); });
  ASSERT_OK(WriteAll(go_on_end.get(), "\n"));
  remover.join();
  const std::string log = dir_.Read("log");
  EXPECT_LT(log.find("first done"), log.find("first DEL")) << log;
}

TEST_F(CniNetworkTest, PoolServesAndIsReturned) {
  options_.cni_pool_size = 2;
  {
    ASSERT_OK_AND_ASSIGN(const auto network, MakeNetwork(options_));
    ASSERT_OK(network->Attach("", {}));
  }
  const std::string log = dir_.Read("log");
  size_t added = 0;
  size_t deleted = 0;
  for (size_t at = 0; (at = log.find("first ", at)) != std::string::npos; ++at) {
    added += absl::StartsWith(log.substr(at), "first ADD") ? 1 : 0;
    deleted += absl::StartsWith(log.substr(at), "first DEL") ? 1 : 0;
  }
  EXPECT_GE(added, 1);
  EXPECT_EQ(added, deleted);
}

}  // namespace
}  // namespace cairn::sandbox
