// Media types of layers: OCI image-spec layer.md, and Docker image manifest v2 schema 2.
#pragma once

#include <optional>
#include <string>

#include "cache/layer/exporter.h"

namespace cairn::layer {

std::string LayerMediaType(Compression compression, bool oci);

// The compression that a layer's media type tells; nullopt for types that are not known.
std::optional<Compression> CompressionOf(string_view media_type);

// The OCI or Docker type for the same bytes; types that are not known stay as they are.
std::string ConvertMediaType(const std::string& media_type, bool oci);

// The type of the same bytes for a layer that registries may hold: of a foreign layer the plain
// one, of all others their own.
std::string DistributableMediaType(const std::string& media_type);

}  // namespace cairn::layer
