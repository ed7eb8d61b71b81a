#include "daemon/exporter/sbom_layers.h"

#include <nlohmann/json.hpp>

#include "cache/tree/editor.h"
#include "tests/unit/cache/stores.h"
#include "tests/unit/testing.h"

namespace cairn::exporter {
namespace {

using ::cairn::testing::MakeTree;

// SBOMs of gateway builds and of scanners told no layers.
TEST(SbomLayersTest, FilesAreToldTheUppermostLayerThatPutThemThere) {
  cairn::testing::Stores stores;
  const std::vector<layer::Layer> layers = {{MakeTree(stores, {"a=1", "d/b=1"}), std::nullopt},
                                            {MakeTree(stores, {"a=2"}), std::nullopt}};
  const std::vector<Digest> stored = {Digest::Of("lower"), Digest::Of("upper")};

  const auto json = nlohmann::json::parse(AddLayerComments(
      stores.trees(), layers, stored,
      R"({"spdxVersion":"SPDX-2.2","files":[{"fileName":"/a"},{"fileName":"/d/b"},)"
      R"({"fileName":"/none"},{"fileName":"/a","comment":"mine"}]})"));

  EXPECT_EQ(json["files"][0]["comment"], "layerID: " + Digest::Of("upper").ToString());
  EXPECT_EQ(json["files"][1]["comment"], "layerID: " + Digest::Of("lower").ToString());
  EXPECT_FALSE(json["files"][2].contains("comment"));
  EXPECT_EQ(json["files"][3]["comment"], "mine");
  EXPECT_EQ(json["creationInfo"]["creators"][0], "Tool: cairn");
}

TEST(SbomLayersTest, WhatIsNoSpdxDocumentStays) {
  cairn::testing::Stores stores;
  EXPECT_EQ(AddLayerComments(stores.trees(), {}, {}, R"({"name":"fallback"})"),
            R"({"name":"fallback"})");
  EXPECT_EQ(AddLayerComments(stores.trees(), {}, {}, "no json"), "no json");
}

}  // namespace
}  // namespace cairn::exporter
