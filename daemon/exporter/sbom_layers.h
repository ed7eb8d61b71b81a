// Which layer each file of an SBOM is in, told in the SBOM.
#pragma once

#include <string>
#include <vector>

#include "cache/layer/chain.h"
#include "cache/tree/tree_store.h"
#include "runtime/base/digest.h"

namespace cairn::exporter {

// `document`, an SPDX document as JSON about the image of `layers`, with the comment "layerID:
// <digest>" at every file that a layer has put there, the uppermost one, by the digests that the
// layers are stored as. Files that have a comment keep it; what is no SPDX document stays as it is.
std::string AddLayerComments(tree::TreeStore& trees, const std::vector<layer::Layer>& layers,
                             const std::vector<Digest>& stored, const std::string& document);

}  // namespace cairn::exporter
