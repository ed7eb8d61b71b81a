#include "daemon/devices/device_catalog.h"

#include "tests/unit/testing.h"

namespace cairn::devices {
namespace {

using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

SpecDevice MakeDevice(const std::string& name, const std::string& device_class = "") {
  SpecDevice device{.name = name, .edits = {.env = {name + "=1"}}};
  if (!device_class.empty()) {
    device.annotations["org.mobyproject.buildkit.device.class"] = device_class;
  }
  return device;
}

LoadedSpec MakeSpec(const std::string& kind, std::vector<SpecDevice> devices, int priority = 0) {
  auto spec = std::make_shared<DeviceSpec>();
  spec->kind = kind;
  spec->devices = std::move(devices);
  spec->edits.env = {"ALL=1"};
  return {.path = "/" + kind, .priority = priority, .spec = std::move(spec)};
}

class DeviceCatalogTest : public ::testing::Test {
 protected:
  DeviceCatalog Make(const std::vector<LoadedSpec>& specs,
                     const std::set<std::string>& auto_allowed = {}) {
    return DeviceCatalog(specs, auto_allowed, &problems_);
  }
  std::vector<std::string> problems_;
};

TEST_F(DeviceCatalogTest, DevicesAreFoundByNameKindWildcardAndClass) {
  const DeviceCatalog catalog =
      Make({MakeSpec("v.com/multi", {MakeDevice("foo"), MakeDevice("bar", "class1")}),
            MakeSpec("w.com/one", {MakeDevice("baz", "class1")})});
  EXPECT_THAT(catalog.Find({{"v.com/multi=foo"}}), IsOkAndHolds(ElementsAre("v.com/multi=foo")));
  EXPECT_THAT(catalog.Find({{"v.com/multi"}}), IsOkAndHolds(ElementsAre("v.com/multi=bar")));
  EXPECT_THAT(catalog.Find({{"v.com/multi=*"}}),
              IsOkAndHolds(ElementsAre("v.com/multi=bar", "v.com/multi=foo")));
  EXPECT_THAT(catalog.Find({{"class1"}}),
              IsOkAndHolds(ElementsAre("v.com/multi=bar", "w.com/one=baz")));
  EXPECT_THAT(catalog.Find({{"w.com/one"}, {"class1"}}),
              IsOkAndHolds(ElementsAre("w.com/one=baz", "v.com/multi=bar")));
}

TEST_F(DeviceCatalogTest, OptionalDevicesMayBeMissing) {
  const DeviceCatalog catalog = Make({MakeSpec("v.com/c", {MakeDevice("a")})});
  EXPECT_THAT(catalog.Find({{"v.com/c=b", true}, {"v.com", true}}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(catalog.Find({{"v.com/c=b"}}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "required device \"v.com/c=b\" is not registered"));
  EXPECT_THAT(DeviceCatalog().Find({{"x"}}), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                      "required device \"x\" is not registered"));
}

TEST_F(DeviceCatalogTest, HigherPriorityWinsAndEqualOnesConflict) {
  LoadedSpec higher = MakeSpec("v.com/c", {MakeDevice("a")}, 1);
  const DeviceCatalog overridden = Make({MakeSpec("v.com/c", {MakeDevice("a")}), higher});
  EXPECT_EQ(overridden.devices().at("v.com/c=a").spec, higher.spec);
  EXPECT_THAT(problems_, IsEmpty());
  const DeviceCatalog conflicting = Make({MakeSpec("v.com/c", {MakeDevice("a"), MakeDevice("b")}),
                                          MakeSpec("v.com/c", {MakeDevice("a")})});
  EXPECT_THAT(conflicting.devices(), ElementsAre(Pair("v.com/c=b", ::testing::_)));
  EXPECT_THAT(problems_, ElementsAre("conflicting device v.com/c=a in /v.com/c and /v.com/c"));
}

TEST_F(DeviceCatalogTest, EditsOfASpecComeOnceAndFirst) {
  const DeviceCatalog catalog = Make({MakeSpec("v.com/c", {MakeDevice("a"), MakeDevice("b")})});
  const auto edits = catalog.EditsOf({"v.com/c=b", "v.com/c=a"});
  ASSERT_OK(edits);
  EXPECT_THAT(edits->env, ElementsAre("ALL=1", "b=1", "a=1"));
  EXPECT_THAT(catalog.EditsOf({"v.com/c=x"}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "required device \"v.com/c=x\" is not registered"));
}

TEST_F(DeviceCatalogTest, AutoAllowComesFromConfigurationAndAnnotations) {
  SpecDevice annotated = MakeDevice("annotated");
  annotated.annotations["org.mobyproject.buildkit.device.autoallow"] = "true";
  SpecDevice refused = MakeDevice("refused");
  refused.annotations["org.mobyproject.buildkit.device.autoallow"] = "yes";
  const DeviceCatalog catalog =
      Make({MakeSpec("v.com/c", {annotated, refused, MakeDevice("named")}),
            MakeSpec("w.com/c", {MakeDevice("kind")})},
           {"v.com/c=named", "w.com/c"});
  EXPECT_TRUE(catalog.devices().at("v.com/c=annotated").auto_allow);
  EXPECT_FALSE(catalog.devices().at("v.com/c=refused").auto_allow);
  EXPECT_TRUE(catalog.devices().at("v.com/c=named").auto_allow);
  EXPECT_TRUE(catalog.devices().at("w.com/c=kind").auto_allow);
}

TEST_F(DeviceCatalogTest, AnnotationsOfADeviceOverrideThoseOfItsSpec) {
  auto spec = std::make_shared<DeviceSpec>();
  spec->kind = "v.com/c";
  spec->annotations = {{"a", "spec"}, {"b", "spec"}};
  spec->devices = {{.name = "x", .annotations = {{"a", "device"}}, .edits = {.env = {"A=1"}}}};
  const DeviceCatalog catalog = Make({{.path = "/s", .spec = spec}});
  EXPECT_THAT(catalog.devices().at("v.com/c=x").annotations,
              ElementsAre(Pair("a", "device"), Pair("b", "spec")));
}

}  // namespace
}  // namespace cairn::devices
