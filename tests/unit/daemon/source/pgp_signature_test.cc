#include "daemon/source/pgp_signature.h"

#include "absl/strings/str_cat.h"
#include "tests/unit/cache/stores.h"
#include "tests/unit/testing.h"

namespace cairn::source {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::HasSubstr;

// Of "content1", by the first key.
constexpr char kSignature[] = R"(-----BEGIN PGP SIGNATURE-----

iHUEABYIAB0WIQSJX8UeZPdK9vSeqXrLHY6XKUoSFQUCXgvhAAAKCRDLHY6XKUoS
FXpZAP9NIOJL7R/nmdhoLdTiulpOVHUfq+NttfZ9IKiViaRPlgEA0pUU22nRQFsP
Ku4RnTtxcJlmlum/5myLxGmSkACuqAE=
=J8Vb
-----END PGP SIGNATURE-----
)";
constexpr char kKey[] = R"(-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEXgvhABYJKwYBBAHaRw8BAQdARTvyoIsN6HXr70fXpRmsTPN5EuMf37u89PeI
nhVT4060BHRlc3SIkAQTFggAOBYhBIlfxR5k90r29J6pessdjpcpShIVBQJeC+EA
AhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEMsdjpcpShIVQToBANg0GlQD
tPXy5Bp4rWOAC1rbzHFXDLG3C0OANEIEVdEGAQDIRdBl8PzUrtgBX2COWBjCKEPm
mIzge01avXt0NwQaCg==
=/eq6
-----END PGP PUBLIC KEY BLOCK-----
)";
constexpr char kOtherKey[] = R"(-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEXgvhABYJKwYBBAHaRw8BAQdA1He83xheukD842kpF3Uucl9Nr4FZ3fShTZQt
KZbE94e0BW90aGVyiI8EExYIADgWIQR6WtLsP02YHRFwxJq+iKoY9krp5wUCXgvh
AAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRC+iKoY9krp53XjAP9mYRpv
uZj2A+UffVNDXc10DzylsMftf2QuiGQuGc96hgD3WOM3LCjRCvvUdgER3/uUGjEL
bk31ErkASsC3sgywAQ==
=2i9c
-----END PGP PUBLIC KEY BLOCK-----
)";

class PgpSignatureTest : public ::testing::Test {
 protected:
  Status Verify(const std::string& data, const std::string& keys) {
    ASSIGN_OR_RETURN(const Digest digest, stores_.blobs().Put(data));
    ASSIGN_OR_RETURN(const auto reader, stores_.blobs().Open(digest));
    return VerifyPgpSignature(*reader, kSignature, keys, {});
  }
  cairn::testing::Stores stores_;
};

TEST_F(PgpSignatureTest, AnyOfTheKeysWillDo) {
  EXPECT_OK(Verify("content1", kKey));
  EXPECT_OK(Verify("content1", absl::StrCat(kOtherKey, "\n", kKey)));
}

TEST_F(PgpSignatureTest, OtherBytesAndOtherKeysAreRefused) {
  const auto refused =
      StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("failed to verify pgp signature"));
  EXPECT_THAT(Verify("content2", kKey), refused);
  EXPECT_THAT(Verify("content1", kOtherKey), refused);
  EXPECT_THAT(Verify(std::string(100'000, 'x'), kKey), refused);
}

TEST_F(PgpSignatureTest, WhatIsNoKeyIsNamed) {
  EXPECT_THAT(Verify("content1", "no key"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no armored data found")));
  EXPECT_THAT(Verify("content1", kSignature),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("expected a public key")));
}

}  // namespace
}  // namespace cairn::source
