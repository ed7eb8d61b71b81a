#include "daemon/devices/device_spec.h"

#include "tests/unit/testing.h"

namespace cairn::devices {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// A spec of this version whose one device has the edits `edits` (flow style).
std::string SpecWith(const std::string& version, const std::string& edits) {
  return "cdiVersion: " + version + "\nkind: vendor.com/class\ndevices:\n- name: foo\n" +
         "  containerEdits: " + edits + "\n";
}

TEST(DeviceSpecTest, AllFieldsOfYamlAreRead) {
  const auto spec = ParseDeviceSpec(R"(
cdiVersion: "1.1.0"
kind: "vendor.com/gpu.x"
annotations:
  org.example.auto: true
containerEdits:
  env: [ALL=1]
devices:
- name: "0"
  annotations: {class: big}
  containerEdits:
    env:
    - FOO=a=b
    deviceNodes:
    - path: /dev/foo
      hostPath: /dev/null
      type: c
      major: 0x10
      minor: 3
      fileMode: 0640
      permissions: rw
      uid: 7
      gid: 8
    mounts:
    - {hostPath: /usr/lib/x, containerPath: /lib/x, options: [ro, nosuid], type: bind}
    hooks:
    - {hookName: createContainer, path: /bin/hook, args: [hook, a], env: [A=1], timeout: 3}
    additionalGids: [44, 45]
    netDevices:
    - {hostInterfaceName: eth5, name: eth0}
    intelRdt: {closID: x, enableMonitoring: true}
)");
  ASSERT_OK(spec);
  EXPECT_EQ(spec->kind, "vendor.com/gpu.x");
  EXPECT_THAT(spec->annotations, ElementsAre(Pair("org.example.auto", "true")));
  EXPECT_THAT(spec->edits.env, ElementsAre("ALL=1"));
  const SpecDevice& device = spec->devices.at(0);
  EXPECT_EQ(spec->QualifiedName(device), "vendor.com/gpu.x=0");
  EXPECT_THAT(device.annotations, ElementsAre(Pair("class", "big")));
  EXPECT_THAT(device.edits.env, ElementsAre("FOO=a=b"));
  const DeviceNodeEdit& node = device.edits.device_nodes.at(0);
  EXPECT_EQ(node.host_path, "/dev/null");
  EXPECT_EQ(node.major, 16);
  EXPECT_EQ(node.minor, 3);
  EXPECT_EQ(node.mode, 0640u);
  EXPECT_EQ(node.permissions, "rw");
  EXPECT_EQ(node.uid, 7u);
  EXPECT_EQ(node.gid, 8u);
  EXPECT_THAT(device.edits.mounts.at(0).options, ElementsAre("ro", "nosuid"));
  EXPECT_EQ(device.edits.hooks.at(0).path, "/bin/hook");
  EXPECT_THAT(device.edits.additional_gids, ElementsAre(44, 45));
  EXPECT_EQ(device.edits.net_devices.at(0).host_name, "eth5");
  EXPECT_TRUE(device.edits.intel_rdt->is_extended);
}

TEST(DeviceSpecTest, JsonIsReadTheSameWay) {
  const auto spec = ParseDeviceSpec(
      R"({"cdiVersion":"0.5.0","kind":"v.com/c","devices":[{"name":"a","containerEdits":)"
      R"({"deviceNodes":[{"path":"/dev/a","hostPath":"/dev/b","fileMode":438}]}}]})");
  ASSERT_OK(spec);
  EXPECT_EQ(spec->devices.at(0).edits.device_nodes.at(0).mode, 0666u);
}

TEST(DeviceSpecTest, ErrorsOfTheTextNameTheLine) {
  EXPECT_THAT(ParseDeviceSpec("cdiVersion: [\n"), StatusIs(kInvalid, HasSubstr("line ")));
  EXPECT_THAT(ParseDeviceSpec("cdiVersion: 0.6.0\nkindd: x\n"),
              StatusIs(kInvalid, "line 2: unknown field \"kindd\""));
  EXPECT_THAT(ParseDeviceSpec("kind: a\nkind: b\n"),
              StatusIs(kInvalid, "line 2: field \"kind\" is given twice"));
  EXPECT_THAT(ParseDeviceSpec("kind: [a]\n"), StatusIs(kInvalid, "line 1: a text is expected"));
  EXPECT_THAT(ParseDeviceSpec(SpecWith("0.6.0", "{deviceNodes: [{path: /dev/a, major: x}]}")),
              StatusIs(kInvalid, "line 5: \"x\" is not a number"));
  EXPECT_THAT(ParseDeviceSpec(SpecWith("0.7.0", "{additionalGids: [4294967296]}")),
              StatusIs(kInvalid, "line 5: 4294967296 is too large"));
  EXPECT_THAT(ParseDeviceSpec(""), StatusIs(kInvalid, "a mapping is expected"));
}

TEST(DeviceSpecTest, DepthIsLimited) {
  EXPECT_THAT(ParseDeviceSpec("kind: " + std::string(100000, '[')),
              StatusIs(kInvalid, HasSubstr("line 1")));
}

TEST(DeviceSpecTest, VersionMustHaveWhatIsUsed) {
  EXPECT_OK(ParseDeviceSpec(SpecWith("0.3.0", "{env: [A=1]}")));
  EXPECT_THAT(ParseDeviceSpec(SpecWith("9.0.0", "{env: [A=1]}")),
              StatusIs(kInvalid, "invalid version \"9.0.0\""));
  EXPECT_THAT(ParseDeviceSpec(SpecWith("0.4.0", "{deviceNodes: [{path: /a, hostPath: /b}]}")),
              StatusIs(kInvalid, "the spec version must be at least v0.5.0"));
  EXPECT_THAT(ParseDeviceSpec(SpecWith("0.6.0", "{additionalGids: [1]}")),
              StatusIs(kInvalid, "the spec version must be at least v0.7.0"));
  EXPECT_THAT(ParseDeviceSpec(SpecWith("0.7.0", "{netDevices: [{hostInterfaceName: a, name: b}]}")),
              StatusIs(kInvalid, "the spec version must be at least v1.1.0"));
}

TEST(DeviceSpecTest, WhatMakesNoSenseIsRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"{}", "device \"foo\" has no edits"},
      {"{env: [=1]}", "device \"foo\": invalid environment variable \"=1\""},
      {"{deviceNodes: [{hostPath: /dev/a}]}", "device \"foo\": device node without a path"},
      {"{deviceNodes: [{path: /a, type: x}]}", "device \"foo\": device /a: invalid type \"x\""},
      {"{deviceNodes: [{path: /a, permissions: rx}]}",
       "device \"foo\": device /a: invalid permissions \"rx\""},
      {"{hooks: [{hookName: never, path: /a}]}", "device \"foo\": invalid hook name \"never\""},
      {"{mounts: [{hostPath: /a}]}",
       "device \"foo\": mount without a host path or a container path"},
  };
  for (const auto& [edits, message] : cases) {
    EXPECT_THAT(ParseDeviceSpec(SpecWith("0.6.0", edits)), StatusIs(kInvalid, message));
  }
}

TEST(DeviceSpecTest, NamesAreChecked) {
  DeviceSpec spec{.version = "0.6.0", .kind = "vendor.com/class"};
  EXPECT_THAT(CheckDeviceSpec(spec), StatusIs(kInvalid, "no devices"));
  spec.devices = {{.name = "a:b_1", .edits = {.env = {"A=1"}}}};
  EXPECT_OK(CheckDeviceSpec(spec));
  spec.devices.push_back(spec.devices.front());
  EXPECT_THAT(CheckDeviceSpec(spec), StatusIs(kInvalid, "more than one device \"a:b_1\""));
  spec.devices.back().name = "*";
  EXPECT_THAT(CheckDeviceSpec(spec), StatusIs(kInvalid, "invalid device name \"*\""));
  for (const char* kind : {"vendor", "/class", "vendor/", "1vendor/class", "vendor/cl=ass"}) {
    spec.kind = kind;
    EXPECT_THAT(CheckDeviceSpec(spec), StatusIs(kInvalid, HasSubstr("")));
  }
}

}  // namespace
}  // namespace cairn::devices
