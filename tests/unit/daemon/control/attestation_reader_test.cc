#include "daemon/control/attestation_reader.h"

#include "tests/unit/daemon/control/fake_bridge.h"
#include "tests/unit/testing.h"

namespace cairn::control {
namespace {

TEST(AttestationReaderTest, InTotoAttestationIsTheFilesPredicate) {
  FakeBridge bridge;
  solver::FrontendResult result;
  solver::Attestation attestation;
  attestation.path = "/f";
  attestation.predicate_type = "https://example.com/p";
  attestation.metadata["inline-only"] = "true";
  result.attestations["linux/amd64"] = {attestation};

  ASSERT_OK_AND_ASSIGN(const auto read, ReadAttestations(bridge, result, {}));

  const exporter::SolvedAttestation& solved = read.at("linux/amd64").at(0);
  EXPECT_EQ(solved.predicate().value(), "content");
  EXPECT_EQ(solved.predicate_type, "https://example.com/p");
  EXPECT_EQ(solved.file_name, "f");
  EXPECT_TRUE(solved.inline_only);
}

TEST(AttestationReaderTest, MissingFilesAreErrorsThatNameThem) {
  FakeBridge bridge;
  solver::FrontendResult result;
  solver::Attestation attestation;
  attestation.path = "/missing";
  result.attestations["p"] = {attestation};

  EXPECT_THAT(ReadAttestations(bridge, result, {}),
              testing::StatusIs(absl::StatusCode::kNotFound, ::testing::HasSubstr("/missing")));
}

}  // namespace
}  // namespace cairn::control
