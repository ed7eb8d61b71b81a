#include "cache/remote/layer_intake.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/layer/importer.h"
#include "cache/layer/media_types.h"
#include "cache/remote/layer_records.h"

namespace cairn::remote {

StatusOr<layer::Chain> LayerIntake::Put(const layer::Chain& base, const DocumentLayer& layer,
                                        CacheSource& source, gc::Lease& lease,
                                        const CancelToken& cancel) {
  const std::string name = absl::StrCat("layer ", layer.blob.digest.ToString());
  blob::BlobStore& blobs = chains_.trees().blobs();
  ASSIGN_OR_RETURN(const bool stored, blobs.Contains(layer.blob.digest));
  if (!stored) {
    RETURN_IF_ERROR_IN(FetchBlob(layer.blob, source, cancel), name);
  }
  ASSIGN_OR_RETURN(const auto reader, blobs.Open(layer.blob.digest));
  const auto stream = reader->Stream();
  ASSIGN_OR_RETURN_IN(const layer::ImportedTar imported,
                      layer::ImportTar(chains_.trees(), *stream, /*whiteouts=*/true, cancel), name);
  if (layer.diff_id && imported.diff_id != *layer.diff_id) {
    return absl::DataLossError(absl::StrCat(name, ": its content is ", imported.diff_id.ToString(),
                                            ", the cache says ", layer.diff_id->ToString()));
  }
  ASSIGN_OR_RETURN(layer::Chain chain,
                   chains_.Append(base, {.delta = imported.tree, .original = std::nullopt}));
  RETURN_IF_ERROR_IN(Keep(chain.layers.back(), layer, imported.diff_id, lease), name);
  return chain;
}

Status LayerIntake::FetchBlob(const registry::Descriptor& blob, CacheSource& source,
                              const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const auto writer, chains_.trees().blobs().NewWriter());
  RETURN_IF_ERROR(source.Fetch(blob, *writer, cancel));
  return writer->Commit(blob.digest).status();
}

Status LayerIntake::Keep(const layer::Layer& imported, const DocumentLayer& layer,
                         const Digest& diff_id, gc::Lease& lease) {
  ASSIGN_OR_RETURN(const blob::BlobInfo stored, chains_.trees().blobs().Stat(layer.blob.digest));
  const layer::LayerBlob blob{.media_type = layer.blob.media_type,
                              .digest = stored.digest,
                              .size = stored.size,
                              .diff_id = diff_id,
                              .origin = ""};
  const auto compression = layer::CompressionOf(blob.media_type);
  if (compression) {
    RETURN_IF_ERROR(layers_.Remember(imported, blob, *compression));
  }
  if (layer.created != absl::InfinitePast()) {
    RETURN_IF_ERROR(layers_.FirstExported(imported, layer.created).status());
  }
  return OwnLayerBlob(ledger_, lease, blob);
}

}  // namespace cairn::remote
