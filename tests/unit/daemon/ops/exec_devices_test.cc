#include "daemon/ops/exec_devices.h"

#include "tests/unit/testing.h"

namespace cairn::ops {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Node = devices::DeviceNodeEdit;
using Type = sandbox::DeviceNode::Type;

class ExecDevicesTest : public ::testing::Test {
 protected:
  Status Add(const devices::ContainerEdits& edits) {
    return AddDevices(edits, container_, process_);
  }
  sandbox::ContainerSpec container_;
  sandbox::ProcessSpec process_;
};

TEST_F(ExecDevicesTest, VariablesComeLastAndGroupsAreAdded) {
  process_.env = {"A=1"};
  ASSERT_OK(Add({.env = {"A=2"}, .additional_gids = {44, 0, 45}}));
  EXPECT_THAT(process_.env, ElementsAre("A=1", "A=2"));
  EXPECT_THAT(process_.additional_groups, ElementsAre(44, 45));
}

TEST_F(ExecDevicesTest, NodesAreCompletedFromTheHosts) {
  ASSERT_OK(Add({.device_nodes = {Node{.path = "/dev/x/y", .host_path = "/dev/null"},
                                  Node{.path = "/dev/null", .permissions = "r", .gid = 7}}}));
  const sandbox::DeviceNode& first = container_.devices.at(0);
  EXPECT_EQ(first.path, "/dev/x/y");
  EXPECT_EQ(first.type, Type::kCharacter);
  EXPECT_EQ(first.major, 1u);
  EXPECT_EQ(first.minor, 3u);
  EXPECT_EQ(first.mode, 0666u);
  EXPECT_EQ(first.uid, sandbox::DeviceNode::kOfProcess);
  EXPECT_TRUE(first.readable && first.writable);
  EXPECT_EQ(container_.devices.at(1).gid, 7u);
  EXPECT_FALSE(container_.devices.at(1).writable);
}

TEST_F(ExecDevicesTest, NodesThatAreDescribedInFullNeedNoHost) {
  ASSERT_OK(Add({.device_nodes = {Node{.path = "/dev/none", .type = "b", .major = 9, .minor = 1},
                                  Node{.path = "/dev/pipe", .type = "p"}}}));
  EXPECT_EQ(container_.devices.at(0).type, Type::kBlock);
  EXPECT_EQ(container_.devices.at(0).mode, 0666u);
  EXPECT_EQ(container_.devices.at(1).type, Type::kFifo);
}

TEST_F(ExecDevicesTest, NodesThatCannotBeAreRefused) {
  EXPECT_THAT(
      Add({.device_nodes = {Node{.path = "/dev/none"}}}),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("device /dev/none of the host")));
  EXPECT_THAT(Add({.device_nodes = {Node{.path = "/dev/x", .host_path = "/etc"}}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "/etc of the host is not a device"));
  EXPECT_THAT(Add({.device_nodes = {Node{.path = "/dev/null", .type = "b"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the host's is of type c")));
  EXPECT_THAT(Add({.device_nodes = {Node{.path = "/dev/../etc/x", .host_path = "/dev/null"}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("must be below /dev")));
  EXPECT_THAT(Add({.device_nodes = {Node{.path = "/dev/x", .type = "c", .major = 4096}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no device 4096:0")));
}

TEST_F(ExecDevicesTest, MountsReplaceThoseAtTheirPlaceAndKeepTheOrder) {
  container_.mounts = {{.destination = "/a"}, {.destination = "/a/b/c"}, {.destination = "/x"}};
  ASSERT_OK(Add({.mounts = {{"/host/x", "/x/", {"ro", "nosuid", "nodev", "noexec", "rbind"}, ""},
                            {"/host/b", "/a/b", {}, "bind"}}}));
  std::vector<std::string> places;
  for (const sandbox::MountSpec& mount : container_.mounts) {
    places.push_back(mount.destination + "<" + mount.source);
  }
  EXPECT_THAT(places, ElementsAre("/a<", "/x/</host/x", "/a/b</host/b", "/a/b/c<"));
  const sandbox::MountSpec& replaced = container_.mounts[1];
  EXPECT_TRUE(replaced.readonly && replaced.nosuid && replaced.nodev && replaced.noexec);
}

TEST_F(ExecDevicesTest, WhatTheSandboxLacksIsSaid) {
  EXPECT_THAT(Add({.hooks = {{.name = "createContainer", .path = "/bin/hook"}}}),
              StatusIs(absl::StatusCode::kUnimplemented,
                       "the device needs the hook createContainer (/bin/hook): this daemon runs no "
                       "hooks"));
  EXPECT_THAT(Add({.net_devices = {{"eth5", "eth0"}}}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("eth5")));
  EXPECT_THAT(Add({.intel_rdt = devices::IntelRdtEdit()}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("RDT")));
  EXPECT_THAT(Add({.mounts = {{"tmpfs", "/t", {}, "tmpfs"}}}),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("type tmpfs")));
  EXPECT_THAT(Add({.mounts = {{"/h", "/t", {"x-y"}, ""}}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unknown option x-y")));
}

}  // namespace
}  // namespace cairn::ops
