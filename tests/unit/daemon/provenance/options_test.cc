#include "daemon/provenance/options.h"

#include "tests/unit/testing.h"

namespace cairn::provenance {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

Options Parsed(const std::string& settings) {
  const auto options = RequestedProvenance({{"attest:provenance", settings}});
  EXPECT_TRUE(options.ok()) << options.status();
  return options.ok() && options->has_value() ? **options : Options{};
}

TEST(ProvenanceOptionsTest, NothingIsAskedForUnlessItIsAskedFor) {
  const auto options = RequestedProvenance({{"attest:sbom", ""}, {"target", "x"}});
  ASSERT_TRUE(options.ok());
  EXPECT_FALSE(options->has_value());
}

TEST(ProvenanceOptionsTest, TellsAllUnlessAskedForLess) {
  EXPECT_TRUE(Parsed("").max);
  EXPECT_TRUE(Parsed("mode=full").max);
  EXPECT_FALSE(Parsed("mode=min,inline-only=true").max);
  EXPECT_TRUE(Parsed("mode=min,inline-only=true").inline_only);
}

TEST(ProvenanceOptionsTest, ReadsEverySetting) {
  const Options options =
      Parsed("version=v0.2,builder-id=https://example.com/b,filename=p.json,reproducible=true");
  EXPECT_EQ(options.version, SlsaVersion::kV02);
  EXPECT_EQ(options.builder_id, "https://example.com/b");
  EXPECT_EQ(options.file_name, "p.json");
  EXPECT_TRUE(options.reproducible);
}

TEST(ProvenanceOptionsTest, MayComeAsABuildArgument) {
  const auto options = RequestedProvenance({{"build-arg:BUILDKIT_ATTEST_PROVENANCE", "mode=min"}});
  ASSERT_TRUE(options.ok() && options->has_value());
  EXPECT_FALSE((*options)->max);
}

TEST(ProvenanceOptionsTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(RequestedProvenance({{"attest:provenance", "mode=some"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("invalid mode \"some\"")));
  EXPECT_THAT(RequestedProvenance({{"attest:provenance", "version=v2"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("SLSA version: v2")));
  EXPECT_THAT(RequestedProvenance({{"attest:other", ""}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"other\"")));
  EXPECT_THAT(RequestedProvenance({{"attest:provenance", "reproducible=maybe"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("reproducible")));
}

}  // namespace
}  // namespace cairn::provenance
