#include "cache/layer/media_types.h"

#include "tests/unit/testing.h"

namespace cairn::layer {
namespace {

TEST(MediaTypesTest, NamesNewLayers) {
  EXPECT_EQ(LayerMediaType(Compression::kGzip, true),
            "application/vnd.oci.image.layer.v1.tar+gzip");
  EXPECT_EQ(LayerMediaType(Compression::kGzip, false),
            "application/vnd.docker.image.rootfs.diff.tar.gzip");
  EXPECT_EQ(LayerMediaType(Compression::kNone, true), "application/vnd.oci.image.layer.v1.tar");
}

TEST(MediaTypesTest, ConvertsBothWaysAndKeepsTheUnknown) {
  const std::string foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
  EXPECT_EQ(ConvertMediaType(ConvertMediaType(foreign, true), false), foreign);
  EXPECT_EQ(ConvertMediaType("text/x", true), "text/x");
  EXPECT_EQ(CompressionOf(foreign), Compression::kGzip);
  EXPECT_EQ(CompressionOf("text/x"), std::nullopt);
}

}  // namespace
}  // namespace cairn::layer
