#include "daemon/source/image_source.h"

#include "cache/registry/manifest.h"
#include "daemon/source/layer_memo.h"
#include "proto/ops.pb.h"
#include "runtime/net/http_client.h"
#include "tests/unit/cache/layer/tars.h"
#include "tests/unit/daemon/ops/op_fixture.h"
#include "tests/unit/daemon/session/fake_client.h"
#include "tests/unit/daemon/source/layout_service.h"
#include "tests/unit/testing.h"

namespace cairn::source {
namespace {

using ::cairn::testing::MakeTar;
using ::cairn::testing::TarDirectory;
using ::cairn::testing::TarFile;

class ImageSourceTest : public ops::testing::OpTest {
 protected:
  void SetUp() override {
    OpTest::SetUp();
    ASSERT_OK_AND_ASSIGN(ledger_, gc::Ledger::Open(*database_, *trees_));
    images_ = std::make_unique<gc::ImageStore>(*database_, *blobs_, *ledger_, clock_);
    registry_ = std::make_unique<registry::RegistryClient>(http_, registry::HostTable(), clock_);
    resolver_ =
        std::make_unique<ImageResolver>(*registry_, *images_, *blobs_, *database_, *ledger_);
  }

  // An image with these layers in the client's layout; its digest.
  Digest ServeImage(const std::vector<std::string>& tars) {
    registry::Manifest manifest{.media_type = registry::media_type::kOciManifest,
                                .config = {.digest = Digest::Of("")}};
    std::string diff_ids;
    for (const std::string& tar : tars) {
      manifest.layers.push_back({.media_type = registry::media_type::kOciLayer,
                                 .digest = Serve(tar),
                                 .size = tar.size()});
      absl::StrAppend(&diff_ids, diff_ids.empty() ? "" : ",", "\"", Digest::Of(tar).ToString(),
                      "\"");
    }
    const std::string config =
        absl::StrCat(R"({"os":"linux","architecture":"amd64","rootfs":{"diff_ids":[)", diff_ids,
                     R"(],"type":"layers"}})");
    manifest.config = {.media_type = registry::media_type::kOciConfig,
                       .digest = Serve(config),
                       .size = config.size()};
    return Serve(registry::SerializeManifest(manifest));
  }
  Digest Serve(const std::string& bytes) {
    layout_.blobs[Digest::Of(bytes).ToString()] = bytes;
    return Digest::Of(bytes);
  }

  StatusOr<layer::Chain> Load(const Digest& image, const std::string& store = "layout") {
    session::FakeClient client({&layout_}, {"/containerd.services.content.v1.Content/Info"});
    sessions_.Add(client.shared_session());
    job_.sessions() = session::SessionGroup({"client"});
    pb::Op op;
    op.mutable_platform()->set_os("linux");
    op.mutable_platform()->set_architecture("amd64");
    op.mutable_source()->set_identifier("oci-layout://Not/Real@" + image.ToString());
    (*op.mutable_source()->mutable_attrs())["oci.store"] = store;
    (*op.mutable_source()->mutable_attrs())["oci.session"] = "client";
    return Run(op);
  }

  // Puts an image with these layers into the daemon's own store.
  void StoreImage(const std::string& name, const std::vector<std::string>& tars) {
    registry::Manifest manifest{.media_type = registry::media_type::kOciManifest,
                                .config = {.digest = Digest::Of("")}};
    std::string diff_ids;
    std::vector<Digest> reached;
    for (const std::string& tar : tars) {
      const Digest digest = *blobs_->Put(tar);
      manifest.layers.push_back(
          {.media_type = registry::media_type::kOciLayer, .digest = digest, .size = tar.size()});
      absl::StrAppend(&diff_ids, diff_ids.empty() ? "" : ",", "\"", digest.ToString(), "\"");
      reached.push_back(digest);
    }
    const std::string config =
        absl::StrCat(R"({"os":"linux","architecture":"amd64","rootfs":{"diff_ids":[)", diff_ids,
                     R"(],"type":"layers"}})");
    manifest.config = {.media_type = registry::media_type::kOciConfig,
                       .digest = *blobs_->Put(config),
                       .size = config.size()};
    const std::string document = registry::SerializeManifest(manifest);
    const Digest digest = *blobs_->Put(document);
    reached.push_back(manifest.config.digest);
    reached.push_back(digest);
    ASSERT_OK(images_->Put({.name = name,
                            .media_type = manifest.media_type,
                            .digest = digest,
                            .size = document.size()},
                           reached));
  }

  StatusOr<layer::Chain> Pull(const std::string& name) {
    pb::Op op;
    op.mutable_platform()->set_os("linux");
    op.mutable_platform()->set_architecture("amd64");
    op.mutable_source()->set_identifier("docker-image://" + name);
    (*op.mutable_source()->mutable_attrs())["image.resolvemode"] = "local";
    return Run(op);
  }

  StatusOr<layer::Chain> Run(const pb::Op& op) {
    session::SessionManager& sessions = sessions_;
    ASSIGN_OR_RETURN(const auto source, ImageSource::Create(op, {.sessions = sessions,
                                                                 .chains = *chains_,
                                                                 .database = *database_,
                                                                 .ledger = *ledger_,
                                                                 .registry = *registry_,
                                                                 .resolver = *resolver_}));
    const auto lease = ledger_->NewLease();
    used_lease_ = lease.get();
    solver::OpContext context = Context();
    RETURN_IF_ERROR(source->Prepare(context).status());
    ASSIGN_OR_RETURN(const std::vector<solver::OpOutput> outputs, source->Run(context, {}));
    return outputs.at(0).chain;
  }

  LayoutService layout_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  net::HttpClient http_;
  session::SessionManager sessions_{log_};
  std::unique_ptr<gc::Ledger> ledger_;
  std::unique_ptr<gc::ImageStore> images_;
  std::unique_ptr<registry::RegistryClient> registry_;
  std::unique_ptr<ImageResolver> resolver_;
};

// What a layer with implied directories had been imported as was swept, and so the layer was
// unpacked again by each build that pulled it.
TEST_F(ImageSourceTest, WhatLayersWereImportedAsOutlivesASweep) {
  const std::string upper = MakeTar({TarFile("a/new", "2")});
  StoreImage("docker.io/library/app:latest",
             {MakeTar({TarDirectory("a/", 0700), TarFile("a/old", "1")}), upper});
  ASSERT_OK_AND_ASSIGN(const layer::Chain chain, Pull("app"));
  EXPECT_THAT(Describe(chain), ::testing::Contains("dir a 700 0:0"));

  ASSERT_OK(ledger_->Sweep());

  ASSERT_OK_AND_ASSIGN(const auto imported,
                       FindImportedLayer(*database_, *trees_, Digest::Of(upper)));
  ASSERT_TRUE(imported.has_value());
  EXPECT_NE(imported->tree.digest, chain.layers[1].delta.digest);
  EXPECT_THAT(Describe(*chains_->TreeOf(chain)), ::testing::Contains("dir a 700 0:0"));
}

TEST_F(ImageSourceTest, AnImageOfAClientsLayoutIsItsLayers) {
  const Digest image = ServeImage({MakeTar({TarFile("a", "1")}), MakeTar({TarFile("b", "2")})});
  ASSERT_OK_AND_ASSIGN(const layer::Chain chain, Load(image));
  EXPECT_THAT(Describe(chain), ::testing::ElementsAre(::testing::HasSubstr("file a"),
                                                      ::testing::HasSubstr("file b")));
  ASSERT_EQ(chain.layers.size(), 2u);
  EXPECT_EQ(chain.layers[0].original->origin, "");  // there is no registry to mount it from
}

TEST_F(ImageSourceTest, AnImageThatTheClientDoesNotHaveIsNotFound) {
  const Digest image = ServeImage({MakeTar({TarFile("a", "1")})});
  EXPECT_TRUE(absl::IsNotFound(Load(Digest::Of("other")).status()));
  EXPECT_TRUE(absl::IsNotFound(Load(image, "other").status()));
}

TEST_F(ImageSourceTest, WhatAClientSaysOfItsBlobsIsChecked) {
  const std::string layer = MakeTar({TarFile("a", "1")});
  const Digest image = ServeImage({layer});
  for (const std::string& lie : {MakeTar({TarFile("a", "2")}), layer + "more"}) {
    layout_.blobs[Digest::Of(layer).ToString()] = lie;
    EXPECT_TRUE(absl::IsDataLoss(Load(image).status()));
  }
  const Digest other = ServeImage({MakeTar({TarFile("b", "1")})});
  layout_.blobs[other.ToString()] = "{}";
  EXPECT_TRUE(absl::IsDataLoss(Load(other).status()));
}

}  // namespace
}  // namespace cairn::source
