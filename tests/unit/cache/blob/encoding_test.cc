#include "cache/blob/encoding.h"

#include "tests/unit/testing.h"

namespace cairn::blob {
namespace {

TEST(EncodingTest, EveryKindOfValueComesBack) {
  const Digest digest = Digest::Of("x");
  Encoder encoder;
  encoder.Byte(7).Varint(0).Varint(UINT64_MAX).Signed(-1).Signed(INT64_MIN).Signed(INT64_MAX);
  encoder.String("").String(string_view("a\0b", 3)).Raw(digest).Time(absl::FromUnixNanos(-5));
  Decoder decoder(encoder.bytes());
  EXPECT_EQ(decoder.Byte(), 7);
  EXPECT_EQ(decoder.Varint(), 0u);
  EXPECT_EQ(decoder.Varint(), UINT64_MAX);
  EXPECT_EQ(decoder.Signed(), -1);
  EXPECT_EQ(decoder.Signed(), INT64_MIN);
  EXPECT_EQ(decoder.Signed(), INT64_MAX);
  EXPECT_EQ(decoder.String(), "");
  EXPECT_EQ(decoder.String(), std::string("a\0b", 3));
  EXPECT_EQ(decoder.Raw(), digest);
  EXPECT_EQ(decoder.Time(), absl::FromUnixNanos(-5));
  EXPECT_OK(decoder.Finish("record"));
}

TEST(EncodingTest, EveryTruncationIsDataLoss) {
  Encoder encoder;
  encoder.Byte(1).Varint(300).String("hello").Raw(Digest::Of("x"));
  for (size_t size = 0; size < encoder.bytes().size(); ++size) {
    const std::string cut = encoder.bytes().substr(0, size);
    Decoder decoder(cut);
    decoder.Byte();
    decoder.Varint();
    decoder.String();
    decoder.Raw();
    EXPECT_THAT(decoder.Finish("record"),
                testing::StatusIs(absl::StatusCode::kDataLoss, "record is truncated or malformed"));
  }
}

TEST(EncodingTest, BytesLeftOverAreDataLoss) {
  Decoder decoder("ab");
  decoder.Byte();
  EXPECT_THAT(decoder.Finish("record"),
              testing::StatusIs(absl::StatusCode::kDataLoss, "record has 1 bytes too many"));
}

TEST(EncodingTest, CountIsBoundedByWhatFollows) {
  Encoder encoder;
  encoder.Varint(uint64_t{1} << 40);
  Decoder decoder(encoder.bytes());
  EXPECT_EQ(decoder.Count(), 0u);
  EXPECT_FALSE(decoder.ok());
}

TEST(EncodingTest, OverlongVarintIsRefused) {
  const std::string overlong(11, '\xff');
  Decoder decoder(overlong);
  EXPECT_EQ(decoder.Varint(), 0u);
  EXPECT_FALSE(decoder.ok());
}

}  // namespace
}  // namespace cairn::blob
