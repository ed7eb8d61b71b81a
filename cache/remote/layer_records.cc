#include "cache/remote/layer_records.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace cairn::remote {

Status OwnLayerBlob(gc::Ledger& ledger, gc::Lease& lease, const layer::LayerBlob& blob) {
  const std::string identity = absl::StrCat("layer:", blob.digest.hex());
  ASSIGN_OR_RETURN(const bool owned, lease.Use(identity));
  if (owned) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(
      ledger.Add({.identity = identity,
                  .description = absl::StrCat("exported layer ", blob.diff_id.ToString()),
                  .blobs = {blob.digest}}));
  return lease.Use(identity).status();
}

}  // namespace cairn::remote
