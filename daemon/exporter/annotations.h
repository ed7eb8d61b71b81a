// OCI annotations that a build asks for: attributes "annotation[-<where>][[<platform>]].<key>".
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/base/platform.h"
#include "runtime/base/status.h"

namespace cairn::exporter {

struct Annotations {
  using Map = std::map<std::string, std::string>;
  Map index;
  Map index_descriptor;
  Map manifest;
  Map manifest_descriptor;
};

class AnnotationGroups {
 public:
  // Takes the annotations out of `values` and adds them here, over what is here already.
  // kInvalidArgument for an unknown place or platform.
  Status TakeFrom(std::map<std::string, std::string>& values);

  // Those for `platform`'s manifest (nullptr: of every platform) and for the index.
  Annotations For(const Platform* platform) const;

  // The platforms named.
  std::vector<std::string> platforms() const;
  // Any that only an index, or a descriptor in one, can carry.
  bool needs_index() const;

 private:
  std::map<std::string, Annotations> groups_;  // by platform id, "" for all
};

}  // namespace cairn::exporter
