// ImageReference: "name[:tag][@digest]" as Docker writes it (distribution/reference).
//
// Parsing normalises: "busybox" is docker.io/library/busybox. A value type.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct ImageReference {
  std::string domain;  // "docker.io"
  std::string path;    // "library/busybox"
  std::string tag;     // may be empty
  std::string digest;  // "sha256:..", may be empty

  // kInvalidArgument "invalid reference format" and its relatives.
  static StatusOr<ImageReference> Parse(string_view text);

  // With tag "latest" when it has neither tag nor digest.
  ImageReference WithDefaultTag() const;

  // "docker.io/library/busybox:latest@sha256:..".
  std::string ToString() const;
  // Without what Docker supplies: "busybox:latest@sha256:..".
  std::string Familiar() const;

 private:
  std::string Suffix() const;
};

}  // namespace cairn::dockerfile
