#include "daemon/solver/device_grants.h"

#include "daemon/solver/entitlements.h"
#include "tests/unit/testing.h"

namespace cairn::solver {
namespace {

using ::cairn::testing::IsOkAndHolds;
using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// v.com/c has the devices a, b and, for everybody, open.
devices::DeviceCatalog Catalog() {
  auto spec = std::make_shared<devices::DeviceSpec>();
  spec->kind = "v.com/c";
  for (const char* name : {"a", "b", "open"}) {
    spec->devices.push_back({.name = name, .edits = {.env = {"A=1"}}});
  }
  std::vector<std::string> problems;
  return devices::DeviceCatalog({{.path = "/s", .spec = spec}}, {"v.com/c=open"}, &problems);
}

StatusOr<std::vector<std::string>> Resolve(const std::vector<std::string>& entitlements,
                                           const std::vector<devices::DeviceRequest>& requests) {
  ASSIGN_OR_RETURN(const Entitlements granted, Entitlements::Parse(entitlements));
  return granted.devices().Resolve(requests, Catalog());
}

TEST(DeviceGrantsTest, WithoutGrantsOnlyOpenDevicesAreThere) {
  EXPECT_THAT(Resolve({}, {{"v.com/c=open"}}), IsOkAndHolds(ElementsAre("v.com/c=open")));
  EXPECT_THAT(Resolve({}, {{"v.com/c=a"}}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       "device v.com/c=a is requested by the build but not allowed; build with "
                       "--allow device=v.com/c=a"));
  EXPECT_THAT(Resolve({}, {{"v.com/c=*"}}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       StartsWith("devices v.com/c=a, v.com/c=b are requested by the build but "
                                  "not allowed")));
}

TEST(DeviceGrantsTest, OptionalDevicesThatAreThereNeedTheGrantToo) {
  EXPECT_THAT(Resolve({}, {{"v.com/c=x", true}}), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Resolve({}, {{"v.com/c=a", true}}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("not allowed")));
  EXPECT_THAT(Resolve({"device"}, {{"v.com/c=x"}}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       "required device \"v.com/c=x\" is not registered"));
}

TEST(DeviceGrantsTest, GrantsNameDevicesAsStepsDo) {
  EXPECT_THAT(Resolve({"device"}, {{"v.com/c=a"}, {"v.com/c=b"}}),
              IsOkAndHolds(ElementsAre("v.com/c=a", "v.com/c=b")));
  EXPECT_THAT(Resolve({"device=v.com/c=b"}, {{"v.com/c=b"}}),
              IsOkAndHolds(ElementsAre("v.com/c=b")));
  EXPECT_THAT(Resolve({"device=v.com/c=b", "device=absent"}, {{"v.com/c=a"}}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("not allowed")));
  // A kind is its first device.
  EXPECT_THAT(Resolve({"device=v.com/c"}, {{"v.com/c=a"}}), IsOkAndHolds(ElementsAre("v.com/c=a")));
  EXPECT_THAT(Resolve({"device=v.com/c=*"}, {{"v.com/c=b"}}),
              IsOkAndHolds(ElementsAre("v.com/c=b")));
}

TEST(DeviceGrantsTest, AliasesStandForDevices) {
  EXPECT_THAT(Resolve({"device=v.com/c=b,alias=gpu"}, {{"v.com/c=open"}, {"gpu"}}),
              IsOkAndHolds(ElementsAre("v.com/c=b", "v.com/c=open")));
  EXPECT_THAT(Resolve({"device=v.com/c=b,alias=gpu"}, {{"v.com/c=b"}}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("not allowed")));
  EXPECT_THAT(Resolve({"device=v.com/c=x,alias=gpu"}, {{"gpu"}}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("v.com/c=x")));
}

TEST(DeviceGrantsTest, OtherFormsAreRefused) {
  EXPECT_THAT(DeviceGrants::Parse("a,b"),
              StatusIs(absl::StatusCode::kInvalidArgument, "invalid device config \"b\""));
  EXPECT_THAT(DeviceGrants::Parse("a,b=c"),
              StatusIs(absl::StatusCode::kInvalidArgument, "unknown device config key \"b\""));
}

TEST(DeviceGrantsTest, IntersectionIsWhatBothGrant) {
  const auto grants = [](const std::vector<std::string>& names) {
    return *Entitlements::Parse(names);
  };
  const std::vector<devices::DeviceRequest> both = {{"v.com/c=a"}, {"v.com/c=b"}};
  const Entitlements all = grants({"device"});
  const Entitlements one = grants({"device=v.com/c=a"});
  EXPECT_THAT(all.Intersect(all).devices().Resolve(both, Catalog()), testing::IsOk());
  for (const Entitlements& shared : {all.Intersect(one), one.Intersect(all), one.Intersect(one)}) {
    EXPECT_THAT(shared.devices().Resolve({both[0]}, Catalog()), testing::IsOk());
    EXPECT_FALSE(shared.devices().Resolve(both, Catalog()).ok());
  }
  EXPECT_FALSE(
      one.Intersect(grants({"device=v.com/c=b"})).devices().Resolve({both[0]}, Catalog()).ok());
}

}  // namespace
}  // namespace cairn::solver
