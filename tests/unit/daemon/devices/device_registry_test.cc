#include "daemon/devices/device_registry.h"

#include "tests/unit/testing.h"

namespace cairn::devices {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string SpecOf(const std::string& name) {
  return "cdiVersion: 0.6.0\nkind: v.com/c\ndevices:\n- name: " + name +
         "\n  containerEdits: {env: [NAME=" + name + "]}\n";
}

class DeviceRegistryTest : public ::testing::Test {
 protected:
  DeviceRegistryTest()
      : registry_({.directories = {directory_ / "low", directory_ / "high"},
                   .auto_allowed = {"v.com/c=b"}},
                  log_) {}

  const testing::TempDir directory_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  const DeviceRegistry registry_;
};

TEST_F(DeviceRegistryTest, FilesCountFromTheNextReadOn) {
  EXPECT_THAT(registry_.Read().devices(), IsEmpty());
  directory_.Write("low/a.yaml", SpecOf("a"));
  directory_.Write("high/b.json", SpecOf("b"));
  const DeviceCatalog catalog = registry_.Read();
  EXPECT_THAT(catalog.devices(),
              ElementsAre(Pair("v.com/c=a", ::testing::_), Pair("v.com/c=b", ::testing::_)));
  EXPECT_FALSE(catalog.devices().at("v.com/c=a").auto_allow);
  EXPECT_TRUE(catalog.devices().at("v.com/c=b").auto_allow);
}

TEST_F(DeviceRegistryTest, WhatIsNoSpecIsLeftOut) {
  directory_.Write("low/a.yaml", SpecOf("a"));
  directory_.Write("low/b.yml", SpecOf("b"));
  directory_.Write("low/c.yaml", "kind: [");
  directory_.Write("low/d.yaml/e.yaml", SpecOf("e"));
  EXPECT_THAT(registry_.Read().devices(), ElementsAre(Pair("v.com/c=a", ::testing::_)));
}

TEST_F(DeviceRegistryTest, LaterDirectoriesWin) {
  directory_.Write("low/z.yaml", SpecOf("a"));
  directory_.Write("high/a.yaml",
                   "cdiVersion: 0.6.0\nkind: v.com/c\ndevices:\n- name: a\n"
                   "  containerEdits: {env: [HIGH=1]}\n");
  EXPECT_THAT(registry_.Read().EditsOf({"v.com/c=a"})->env, ElementsAre("HIGH=1"));
}

}  // namespace
}  // namespace cairn::devices
