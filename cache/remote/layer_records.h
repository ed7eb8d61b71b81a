// The records that own layer blobs: what layers were exported as, or came as.
#pragma once

#include "cache/gc/ledger.h"
#include "cache/layer/exporter.h"
#include "runtime/base/status.h"

namespace cairn::remote {

// Has a record own `blob`, which is stored, and `lease` use that.
Status OwnLayerBlob(gc::Ledger& ledger, gc::Lease& lease, const layer::LayerBlob& blob);

}  // namespace cairn::remote
