#include "runtime/base/digest.h"

#include "tests/unit/testing.h"

namespace cairn {
namespace {

// FIPS 180-4's "abc" example.
constexpr char kAbc[] = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(DigestTest, HashesWholeAndInPieces) {
  EXPECT_EQ(Digest::Of("abc").ToString(), kAbc);
  Hasher hasher;
  hasher.Update("a");
  hasher.Update("bc");
  EXPECT_EQ(hasher.Finish().ToString(), kAbc);
  EXPECT_EQ(hasher.Finish(), Digest::Of(""));
}

TEST(DigestTest, ParsesItsOwnText) {
  EXPECT_THAT(Digest::Parse(kAbc), testing::IsOkAndHolds(Digest::Of("abc")));
  EXPECT_THAT(Digest::FromRaw(Digest::Of("abc").raw()), testing::IsOkAndHolds(Digest::Of("abc")));
}

TEST(DigestTest, RefusesOtherAlgorithmsCaseAndLength) {
  const std::string hex(64, 'a');
  for (const std::string& bad : {std::string(), "sha512:" + hex, hex, "sha256:" + hex + "a",
                                 "sha256:" + std::string(64, 'A'), "sha256:../" + hex.substr(3)}) {
    EXPECT_THAT(Digest::Parse(bad), testing::StatusIs(absl::StatusCode::kInvalidArgument,
                                                      ::testing::HasSubstr("digest")))
        << bad;
  }
}

}  // namespace
}  // namespace cairn
