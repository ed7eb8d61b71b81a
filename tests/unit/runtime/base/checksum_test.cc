#include "runtime/base/checksum.h"

#include "tests/unit/testing.h"

namespace cairn {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

// The digests of "abc" in FIPS 180-2.
TEST(ChecksumTest, KnownAnswers) {
  const std::pair<const char*, const char*> answers[] = {
      {"sha256", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"sha384",
       "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc23"
       "58baeca134c825a7"},
      {"sha512",
       "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a8"
       "36ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"}};
  for (const auto& [algorithm, answer] : answers) {
    ASSERT_OK_AND_ASSIGN(Checksum checksum, Checksum::Create(algorithm));
    checksum.Update("a");
    checksum.Update("bc");
    EXPECT_EQ(checksum.Finish(), answer);
  }
}

TEST(ChecksumTest, OtherAlgorithmsAreRefused) {
  EXPECT_THAT(Checksum::Create("md5").status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("unsupported checksum algorithm md5")));
}

}  // namespace
}  // namespace cairn
