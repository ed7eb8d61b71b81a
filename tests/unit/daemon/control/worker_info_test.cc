#include "daemon/control/worker_info.h"

#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

using testing::IsOkAndHolds;

WorkerInfo Worker() {
  WorkerInfo worker;
  worker.id = "w1";
  worker.labels = {{"org.example.kind", "big"}};
  worker.platforms = {Platform::Host()};
  worker.gc_policy.resize(2);
  worker.gc_policy[0].keep_duration = absl::Hours(1);
  return worker;
}

TEST(WorkerInfoTest, FiltersLookAtIdAndLabels) {
  const WorkerInfo worker = Worker();
  EXPECT_THAT(MatchesWorker(worker, {}), IsOkAndHolds(true));
  EXPECT_THAT(MatchesWorker(worker, {"id==w1"}), IsOkAndHolds(true));
  EXPECT_THAT(MatchesWorker(worker, {"id==w2"}), IsOkAndHolds(false));
  EXPECT_THAT(MatchesWorker(worker, {"id==w2", "id~=^w"}), IsOkAndHolds(true));
  EXPECT_THAT(MatchesWorker(worker, {"labels.\"org.example.kind\"==big,id!=w2"}),
              IsOkAndHolds(true));
  EXPECT_THAT(MatchesWorker(worker, {"labels.other"}), IsOkAndHolds(false));
  EXPECT_FALSE(MatchesWorker(worker, {"id~=("}).ok());
  EXPECT_FALSE(MatchesWorker(worker, {","}).ok());
}

TEST(WorkerInfoTest, BriefRecordsHaveNoPolicy) {
  moby::buildkit::v1::types::WorkerRecord brief;
  EncodeWorker(Worker(), true, &brief);
  EXPECT_EQ(brief.gcpolicy_size(), 0);

  moby::buildkit::v1::types::WorkerRecord whole;
  EncodeWorker(Worker(), false, &whole);
  EXPECT_EQ(whole.gcpolicy(0).keepduration(), 3'600'000'000'000);
  EXPECT_EQ(whole.buildkitversion().dockerfileversion(), DockerfileVersion());
}

TEST(WorkerInfoTest, DevicesAreListedByName) {
  auto spec = std::make_shared<devices::DeviceSpec>();
  spec->kind = "v.com/c";
  spec->devices = {{.name = "b", .annotations = {{"k", "v"}}}, {.name = "a"}};
  std::vector<std::string> problems;
  moby::buildkit::v1::types::WorkerRecord record;
  EncodeDevices(devices::DeviceCatalog({{.spec = spec}}, {"v.com/c=b"}, &problems), &record);
  ASSERT_EQ(record.cdidevices_size(), 2);
  EXPECT_EQ(record.cdidevices(0).name(), "v.com/c=a");
  EXPECT_FALSE(record.cdidevices(0).autoallow());
  EXPECT_TRUE(record.cdidevices(1).autoallow());
  EXPECT_EQ(record.cdidevices(1).annotations().at("k"), "v");
}

}  // namespace
}  // namespace cairn::control
