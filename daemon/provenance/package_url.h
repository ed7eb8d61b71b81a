// Package URLs of images (https://github.com/package-url/purl-spec, type "docker"):
// "pkg:docker/busybox@latest?platform=linux%2Famd64".
#pragma once

#include <optional>
#include <string>

#include "cache/registry/reference.h"
#include "runtime/base/platform.h"

namespace cairn::provenance {

// `type` is "docker" for an image of a registry and "oci" for one of a layout.
std::string ImagePackageUrl(string_view type, const registry::ImageReference& reference,
                            const std::optional<Platform>& platform);

}  // namespace cairn::provenance
