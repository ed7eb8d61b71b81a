#include "cache/layer/media_types.h"

namespace cairn::layer {
namespace {

struct Row {
  const char* oci;
  const char* docker;
  Compression compression;
};

// The first row of a compression is the one for new layers; the others are for layers that must not
// be distributed.
constexpr Row kRows[] = {
    {"application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar",
     Compression::kNone},
    {"application/vnd.oci.image.layer.v1.tar+gzip",
     "application/vnd.docker.image.rootfs.diff.tar.gzip", Compression::kGzip},
    {"application/vnd.oci.image.layer.v1.tar+zstd",
     "application/vnd.docker.image.rootfs.diff.tar.zstd", Compression::kZstd},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar",
     "application/vnd.docker.image.rootfs.foreign.diff.tar", Compression::kNone},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
     "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Compression::kGzip},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
     "application/vnd.docker.image.rootfs.foreign.diff.tar.zstd", Compression::kZstd},
};

const Row* FindRow(string_view media_type) {
  for (const Row& row : kRows) {
    if (media_type == row.oci || media_type == row.docker) {
      return &row;
    }
  }
  return nullptr;
}

}  // namespace

std::string LayerMediaType(Compression compression, bool oci) {
  for (const Row& row : kRows) {
    if (row.compression == compression) {
      return oci ? row.oci : row.docker;
    }
  }
  return "";
}

std::optional<Compression> CompressionOf(string_view media_type) {
  const Row* row = FindRow(media_type);
  return row == nullptr ? std::optional<Compression>() : row->compression;
}

std::string ConvertMediaType(const std::string& media_type, bool oci) {
  const Row* row = FindRow(media_type);
  return row == nullptr ? media_type : oci ? row->oci : row->docker;
}

std::string DistributableMediaType(const std::string& media_type) {
  const Row* row = FindRow(media_type);
  return row == nullptr ? media_type : LayerMediaType(row->compression, media_type == row->oci);
}

}  // namespace cairn::layer
