// ImageReference: the name of an image in a registry, normalised.
//
// Grammar and normal form are those of distribution/reference: "[host[:port]/]path[:tag][@digest]";
// without a host it is docker.io, there a path of one component is below library/, and without tag
// and digest the tag is latest. An immutable value.
#pragma once

#include <optional>
#include <string>

#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::registry {

class ImageReference {
 public:
  // kInvalidArgument for anything else, "invalid reference format" as users know it.
  static StatusOr<ImageReference> Parse(string_view text);

  const std::string& host() const { return host_; }              // "docker.io", "localhost:5000"
  const std::string& repository() const { return repository_; }  // "library/busybox"
  const std::string& tag() const { return tag_; }                // may be empty with a digest
  const std::optional<Digest>& digest() const { return digest_; }

  // "docker.io/library/busybox"
  std::string name() const;
  // The whole: "docker.io/library/busybox:latest@sha256:..."
  std::string ToString() const;
  // As people write it: "busybox:latest"
  std::string Familiar() const;

  ImageReference WithDigest(const Digest& digest) const;
  // "name:tag", latest when there is no tag.
  ImageReference WithoutDigest() const;
  // "name@digest". REQUIRES: digest().
  ImageReference WithoutTag() const;

  friend bool operator==(const ImageReference&, const ImageReference&) = default;

 private:
  ImageReference() = default;

  std::string host_;
  std::string repository_;
  std::string tag_;
  std::optional<Digest> digest_;
};

}  // namespace cairn::registry
