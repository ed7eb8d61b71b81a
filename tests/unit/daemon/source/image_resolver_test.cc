#include "daemon/source/image_resolver.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/net/http_client.h"
#include "tests/unit/daemon/ops/op_fixture.h"
#include "tests/unit/runtime/net/fake_http_server.h"
#include "tests/unit/testing.h"

namespace cairn::source {
namespace {

using ::cairn::testing::FakeHttpServer;
using ::cairn::testing::FakeRequest;
using ::cairn::testing::FakeResponse;
using ::cairn::testing::IsOk;
using ::testing::Not;

// A registry whose repository "one" has an image; it has no other.
class ImageResolverTest : public ops::testing::OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    ASSERT_OK_AND_ASSIGN(ledger_, gc::Ledger::Open(*database_, *trees_));
    images_ = std::make_unique<gc::ImageStore>(*database_, *blobs_, *ledger_, clock_);
    registry_ = std::make_unique<registry::RegistryClient>(http_, registry::HostTable(), clock_);
    resolver_ =
        std::make_unique<ImageResolver>(*registry_, *images_, *blobs_, *database_, *ledger_);
    manifest_ =
        registry::SerializeManifest({.media_type = registry::media_type::kOciManifest,
                                     .config = {.media_type = registry::media_type::kOciConfig,
                                                .digest = Digest::Of(config_),
                                                .size = config_.size()}});
  }

  FakeResponse Answer(const FakeRequest& request) {
    if (request.target == "/v2/") {
      return {};
    }
    if (absl::StartsWith(request.target, "/v2/one/manifests/")) {
      return {.headers = {{"Content-Type", type_},
                          {"Docker-Content-Digest", Digest::Of(manifest_).ToString()}},
              .body = manifest_};
    }
    if (absl::StartsWith(request.target, "/v2/one/blobs/")) {
      return {.body = config_};
    }
    return {.status = 404};
  }

  StatusOr<ResolvedImage> Resolve(const std::string& repository) {
    return resolver_->Resolve(
        absl::StrCat(server_.address(), "/", repository, "@", Digest::Of(manifest_).ToString()),
        Platform::Host(), "default", {.credentials = credentials_, .cancel = {}, .insecure = true});
  }

  const std::string config_ = R"({"os":"linux","architecture":"amd64"})";
  std::string manifest_;
  std::string type_ = registry::media_type::kOciManifest;
  FakeHttpServer server_{[this](const FakeRequest& request) { return Answer(request); }};
  net::HttpClient http_;
  registry::NoCredentials credentials_;
  std::unique_ptr<gc::Ledger> ledger_;
  std::unique_ptr<gc::ImageStore> images_;
  std::unique_ptr<registry::RegistryClient> registry_;
  std::unique_ptr<ImageResolver> resolver_;
};

TEST_F(ImageResolverTest, APinnedImageIsResolvedWithoutTheNetworkTheSecondTime) {
  ASSERT_OK(Resolve("one"));
  const size_t asked = server_.requests().size();
  EXPECT_OK(Resolve("one"));
  EXPECT_EQ(server_.requests().size(), asked);
}

TEST_F(ImageResolverTest, ADigestOpensOnlyRepositoriesThatHaveIt) {
  ASSERT_OK(Resolve("one"));
  EXPECT_THAT(Resolve("two"), Not(IsOk()));
}

// The name stood there twice.
TEST_F(ImageResolverTest, WhatIsNotThereIsNamedOnce) {
  EXPECT_EQ(
      Resolve("two").status().message(),
      absl::StrCat(server_.address(), "/two@", Digest::Of(manifest_).ToString(), ": not found"));
}

TEST_F(ImageResolverTest, APlatformThatIsNotThereHasBuildKitsWords) {
  registry::Index index{.media_type = registry::media_type::kOciIndex};
  index.manifests.push_back(
      {.media_type = registry::media_type::kOciManifest, .digest = Digest::Of("other"), .size = 1});
  index.manifests[0].platform = *Platform::Parse("linux/s390x");
  manifest_ = registry::SerializeIndex(index);
  type_ = registry::media_type::kOciIndex;
  EXPECT_EQ(Resolve("one").status().message(), "no match for platform in manifest: not found");
}

}  // namespace
}  // namespace cairn::source
