#include "cache/steps/step_table.h"

#include "cache/blob/blob_store.h"
#include "cache/steps/record_codec.h"
#include "tests/unit/testing.h"

namespace cairn::steps {
namespace {

using testing::IsOkAndHolds;
using ::testing::Optional;

class StepTableTest : public ::testing::Test {
 protected:
  StepTableTest() {
    auto database = blob::Database::Open(dir_ / "db");
    EXPECT_OK(database);
    database_ = *std::move(database);
    auto blobs = blob::BlobStore::Open(dir_ / "store", *database_);
    EXPECT_OK(blobs);
    blobs_ = *std::move(blobs);
    table_ = std::make_unique<StepTable>(*database_);
  }

  // A record with every field set, whose only delta is the blob of `delta`.
  StepRecord MakeRecord(const std::string& delta) {
    layer::Layer layer = {.delta = {.digest = Digest::Of(delta),
                                    .content = Digest::Of("content"),
                                    .bytes = uint64_t{1} << 40,
                                    .entries = 3,
                                    .encoded_size = 5,
                                    .traits = tree::TreeRef::kHasWhiteouts},
                          .original = layer::OriginalBlob{.media_type = "type",
                                                          .digest = Digest::Of("blob"),
                                                          .size = 7,
                                                          .diff_id = Digest::Of("tar"),
                                                          .origin = "host/repository",
                                                          .urls = {"https://a", "https://b"}}};
    return {.outputs = {{.base_input = 2, .layers = {layer}, .content = Digest::Of("result")},
                        {.base_input = -1, .layers = {}, .content = Digest::Of("scratch")}},
            .description = "RUN make",
            .created = absl::FromUnixNanos(1'700'000'000'000'000'001),
            .duration = absl::Milliseconds(1234)};
  }

  testing::TempDir dir_;
  std::unique_ptr<blob::Database> database_;
  std::unique_ptr<blob::BlobStore> blobs_;
  std::unique_ptr<StepTable> table_;
  const Digest key_ = Digest::Of("key");
};

TEST_F(StepTableTest, RecordComesBackWhole) {
  ASSERT_OK(blobs_->Put("delta"));
  const StepRecord record = MakeRecord("delta");
  ASSERT_OK(table_->Insert(key_, "step exec 1\n", record));
  ASSERT_OK_AND_ASSIGN(const auto found, table_->Find(key_));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->description, "RUN make");
  EXPECT_EQ(found->created, record.created);
  EXPECT_EQ(found->duration, record.duration);
  ASSERT_EQ(found->outputs.size(), 2u);
  EXPECT_EQ(found->outputs[0].base_input, 2);
  EXPECT_EQ(found->outputs[0].layers, record.outputs[0].layers);
  const tree::TreeRef& delta = found->outputs[0].layers[0].delta;
  EXPECT_EQ(delta.content, Digest::Of("content"));
  EXPECT_EQ(delta.bytes, uint64_t{1} << 40);
  EXPECT_EQ(delta.entries, 3u);
  EXPECT_EQ(delta.encoded_size, 5u);
  EXPECT_TRUE(delta.Has(tree::TreeRef::kHasWhiteouts));
  EXPECT_EQ(found->outputs[0].content, Digest::Of("result"));
  EXPECT_EQ(found->outputs[1].base_input, -1);
  EXPECT_THAT(found->outputs[1].layers, ::testing::IsEmpty());
  EXPECT_THAT(table_->FindPreimage(key_), IsOkAndHolds(Optional(std::string("step exec 1\n"))));
}

TEST_F(StepTableTest, UnknownKeyIsAMiss) {
  ASSERT_OK_AND_ASSIGN(const auto found, table_->Find(key_));
  EXPECT_FALSE(found.has_value());
  EXPECT_THAT(table_->FindPreimage(key_), IsOkAndHolds(std::nullopt));
}

TEST_F(StepTableTest, RecordWhoseDeltaIsGoneIsAMiss) {
  ASSERT_OK(blobs_->Put("delta"));
  ASSERT_OK(table_->Insert(key_, "", MakeRecord("delta")));
  ASSERT_OK(blobs_->Remove({Digest::Of("delta")}, [](const Digest&) {}));
  ASSERT_OK_AND_ASSIGN(const auto found, table_->Find(key_));
  EXPECT_FALSE(found.has_value());
}

TEST_F(StepTableTest, RecordThatCannotBeReadIsAMiss) {
  ASSERT_OK(blobs_->Put("delta"));
  const std::string bytes = EncodeRecord(MakeRecord("delta"));
  for (const std::string& damaged :
       {std::string(), std::string("\x09"), bytes + "x", bytes.substr(0, bytes.size() / 2)}) {
    ASSERT_OK(database_->Put(blob::Table::kSteps, key_.raw(), damaged));
    ASSERT_OK_AND_ASSIGN(const auto found, table_->Find(key_));
    EXPECT_FALSE(found.has_value());
  }
}

TEST_F(StepTableTest, ErasedRecordKeepsItsPreimage) {
  ASSERT_OK(blobs_->Put("delta"));
  ASSERT_OK(table_->Insert(key_, "text", MakeRecord("delta")));
  ASSERT_OK(table_->Erase(key_));
  ASSERT_OK_AND_ASSIGN(const auto found, table_->Find(key_));
  EXPECT_FALSE(found.has_value());
  EXPECT_THAT(table_->FindPreimage(key_), IsOkAndHolds(Optional(std::string("text"))));
  EXPECT_THAT(table_->FindEviction(key_), IsOkAndHolds(std::nullopt));
}

TEST_F(StepTableTest, EvictionIsRememberedUntilItIsForgotten) {
  const absl::Time now = absl::FromUnixSeconds(1000);
  ASSERT_OK(blobs_->Put("delta"));
  ASSERT_OK(table_->Insert(key_, "text", MakeRecord("delta")));
  EXPECT_THAT(table_->FindEviction(key_), IsOkAndHolds(std::nullopt));
  ASSERT_OK(table_->Evict(key_, now));
  ASSERT_OK_AND_ASSIGN(const auto found, table_->Find(key_));
  EXPECT_FALSE(found.has_value());
  EXPECT_THAT(table_->FindEviction(key_), IsOkAndHolds(Optional(now)));
  ASSERT_OK(table_->ForgetEvictions(now));
  EXPECT_THAT(table_->FindEviction(key_), IsOkAndHolds(Optional(now)));
  ASSERT_OK(table_->ForgetEvictions(now + absl::Seconds(1)));
  EXPECT_THAT(table_->FindEviction(key_), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(table_->FindPreimage(key_), IsOkAndHolds(std::nullopt));
}

}  // namespace
}  // namespace cairn::steps
