// LayerIntake: brings layers of a cache elsewhere into the store.
//
// Thread-safe. All references outlive it.
#pragma once

#include "cache/gc/ledger.h"
#include "cache/layer/chain_store.h"
#include "cache/layer/exporter.h"
#include "cache/remote/document.h"
#include "cache/remote/places.h"
#include "runtime/base/cancel.h"

namespace cairn::remote {

class LayerIntake {
 public:
  LayerIntake(layer::ChainStore& chains, layer::LayerExporter& layers, gc::Ledger& ledger)
      : chains_(chains), layers_(layers), ledger_(ledger) {}

  // The chain of no layers.
  StatusOr<layer::Chain> Scratch() const { return chains_.Scratch(); }

  // `base` with the layer on top. Its blob is fetched from `source` unless it is stored, checked
  // against its digest and its diff ID, and kept by a record that `lease` uses, so that an export
  // of the layer has the same bytes. kDataLoss for bytes that are not what was announced.
  StatusOr<layer::Chain> Put(const layer::Chain& base, const DocumentLayer& layer,
                             CacheSource& source, gc::Lease& lease, const CancelToken& cancel);

 private:
  Status FetchBlob(const registry::Descriptor& blob, CacheSource& source,
                   const CancelToken& cancel);
  // Has the exporter remember what the layer came as, and a record own that.
  Status Keep(const layer::Layer& imported, const DocumentLayer& layer, const Digest& diff_id,
              gc::Lease& lease);

  layer::ChainStore& chains_;
  layer::LayerExporter& layers_;
  gc::Ledger& ledger_;
};

}  // namespace cairn::remote
