#include "cache/gc/collector.h"

#include "tests/unit/cache/gc/gc_testing.h"

namespace cairn::gc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::StatusIs;

class CollectorTest : public LedgerTest {
 protected:
  CollectorTest() : collector_(*ledger_, clock_, dir_.path()) {}

  // A record of about `bytes` bytes that nobody shares.
  void AddRecord(const std::string& identity, uint64_t bytes,
                 RecordType type = RecordType::kRegular) {
    ASSERT_OK(
        ledger_->Add({.identity = identity,
                      .type = type,
                      .description = identity,
                      .blobs = {PutBlob(identity + std::string(bytes - identity.size(), '.'))}}));
    clock_.Advance(absl::Minutes(1));
  }
  void Use(const std::string& identity) {
    EXPECT_THAT(ledger_->NewLease()->Use(identity), testing::IsOkAndHolds(true));
    clock_.Advance(absl::Minutes(1));
  }
  // Identities of what the rule removed, in order.
  std::vector<std::string> Prune(const PolicyRule& rule) {
    std::vector<std::string> removed;
    freed_ = 0;
    EXPECT_OK(collector_.Prune(
        rule,
        [&](const Record& record) {
          removed.push_back(record.identity);
          freed_ += record.size;
        },
        CancelToken()));
    return removed;
  }

  Collector collector_;
  uint64_t freed_ = 0;
};

TEST_F(CollectorTest, RuleWithoutLimitsRemovesAllButInternalOnes) {
  AddRecord("a", 100);
  AddRecord("internal", 100, RecordType::kInternal);
  AddRecord("frontend", 100, RecordType::kFrontend);
  EXPECT_THAT(Prune({}), ElementsAre("a"));
  EXPECT_EQ(freed_, 100u);
  EXPECT_THAT(Prune({.all = true}), ElementsAre("internal", "frontend"));
  EXPECT_THAT(ledger_->List(), testing::IsOkAndHolds(IsEmpty()));
  EXPECT_EQ(StoredBytes(), 0u);
}

TEST_F(CollectorTest, RecordInUseStays) {
  AddRecord("a", 100);
  const std::unique_ptr<Lease> lease = ledger_->NewLease();
  ASSERT_OK(lease->Use("a"));
  EXPECT_THAT(Prune({.all = true}), IsEmpty());
}

TEST_F(CollectorTest, LimitRemovesWhatWasUsedLongestAgo) {
  AddRecord("a", 100);
  AddRecord("b", 100);
  AddRecord("c", 100);
  Use("a");
  EXPECT_THAT(Prune({.max_used_space = 300}), IsEmpty());
  EXPECT_THAT(Prune({.max_used_space = 299}), ElementsAre("b"));
  EXPECT_THAT(Prune({.max_used_space = 50}), ElementsAre("c", "a"));
}

TEST_F(CollectorTest, OrderFollowsUsesAndNotTheClock) {
  AddRecord("a", 100);
  clock_.Advance(-absl::Hours(24 * 365 * 10));
  AddRecord("b", 100);
  EXPECT_THAT(Prune({.max_used_space = 100}), ElementsAre("a"));
}

TEST_F(CollectorTest, ReservedSpaceIsNeverUndercut) {
  AddRecord("a", 100);
  AddRecord("b", 100);
  EXPECT_THAT(Prune({.reserved_space = 200, .max_used_space = 50}), IsEmpty());
  EXPECT_THAT(Prune({.reserved_space = 100}), ElementsAre("a"));
}

TEST_F(CollectorTest, MinimumOfFreeSpaceThatIsMetRemovesNothing) {
  AddRecord("a", 100);
  EXPECT_THAT(Prune({.min_free_space = 1}), IsEmpty());
}

TEST_F(CollectorTest, MinimumOfFreeSpaceThatIsMissedRemovesDownToTheReserve) {
  AddRecord("a", 100);
  AddRecord("b", 100);
  EXPECT_THAT(Prune({.reserved_space = 100, .min_free_space = uint64_t{1} << 60}),
              ElementsAre("a"));
}

TEST_F(CollectorTest, KeepDurationSparesWhatWasUsedSince) {
  AddRecord("old", 100);
  AddRecord("used", 100);
  clock_.Advance(absl::Hours(48));
  Use("used");
  AddRecord("new", 100);
  EXPECT_THAT(Prune({.keep_duration = absl::Hours(48)}), ElementsAre("old"));
}

TEST_F(CollectorTest, FiltersChooseRecords) {
  AddRecord("a", 100);
  AddRecord("mount", 100, RecordType::kCacheMount);
  EXPECT_THAT(Prune({.filters = {"type==exec.cachemount"}}), ElementsAre("mount"));
  EXPECT_THAT(collector_.Prune(
                  {.filters = {"=="}}, [](const Record&) {}, CancelToken()),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::_));
}

TEST_F(CollectorTest, CancelledPruneStops) {
  AddRecord("a", 100);
  CancelSource source;
  source.Cancel();
  EXPECT_THAT(collector_.Prune(
                  {}, [](const Record&) {}, source.token()),
              StatusIs(absl::StatusCode::kCancelled, ::testing::_));
  EXPECT_EQ(StoredBytes(), 100u);
}

TEST_F(CollectorTest, CollectSweepsAndRunsEveryRule) {
  AddRecord("a", 100);
  AddRecord("b", 100);
  PutBlob("orphan");
  ASSERT_OK(collector_.Collect({{.max_used_space = 150}, {.max_used_space = 80}}, CancelToken()));
  EXPECT_EQ(StoredBytes(), 0u);
}

TEST_F(CollectorTest, DefaultPolicyScalesWithTheDiskAndSparesCacheMounts) {
  const std::vector<PolicyRule> small = DefaultPolicy(uint64_t{20} << 30);
  ASSERT_EQ(small.size(), 5u);
  EXPECT_THAT(small[0].filters, ElementsAre("type==source.local", "type==source.git.checkout"));
  EXPECT_EQ(small[0].keep_duration, absl::Hours(48));
  EXPECT_EQ(small[0].max_used_space, 512'000'000u);
  EXPECT_THAT(small[1].filters, ElementsAre("type==exec.cachemount"));
  EXPECT_EQ(small[2].keep_duration, absl::Hours(60 * 24));
  EXPECT_EQ(small[2].reserved_space, 2'000'000'000u);
  EXPECT_EQ(small[2].max_used_space, 16'000'000'000u);
  EXPECT_EQ(small[2].min_free_space, 4'000'000'000u);
  EXPECT_FALSE(small[3].all);
  EXPECT_TRUE(small[4].all);
  const std::vector<PolicyRule> large = DefaultPolicy(uint64_t{10} << 40);
  EXPECT_EQ(large[4].reserved_space, 10'000'000'000u);
  EXPECT_EQ(large[4].max_used_space, 100'000'000'000u);
}

}  // namespace
}  // namespace cairn::gc
