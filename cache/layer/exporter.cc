#include "cache/layer/exporter.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cache/layer/chunked_compression.h"
#include "cache/layer/media_types.h"
#include "cache/layer/tar_stream.h"
#include "runtime/fs/compression.h"

namespace cairn::layer {
namespace {

// Passes a tar stream on as it is.
class PlainStream final : public EntrySink {
 public:
  explicit PlainStream(fs::ByteSink& sink) : sink_(sink) {}
  Status BeginEntry(uint64_t, uint64_t) override { return absl::OkStatus(); }
  Status Write(string_view data) override { return sink_.Write(data); }

 private:
  fs::ByteSink& sink_;
};

// Key in kLayers: everything that the layer's bytes depend on.
std::string MemoryKey(const tree::TreeRef& delta, const LayerOptions& options) {
  std::string key(delta.digest.raw());
  absl::StrAppend(&key, " 2 ", static_cast<int>(options.compression), " ",
                  options.compression == Compression::kNone ? -1 : options.level.value_or(-1));
  if (options.clamp_mtime) {
    absl::StrAppend(&key, " ", *options.clamp_mtime);
  }
  return key;
}

std::string EncodeMemory(const LayerBlob& blob) {
  return absl::StrCat(blob.digest.hex(), " ", blob.size, " ", blob.diff_id.hex());
}

// nullopt when `memory` is malformed.
std::optional<LayerBlob> DecodeMemory(string_view memory, const LayerOptions& options) {
  const std::vector<std::string> fields = absl::StrSplit(memory, ' ');
  uint64_t size = 0;
  if (fields.size() != 3 || !absl::SimpleAtoi(fields[1], &size)) {
    return std::nullopt;
  }
  const StatusOr<Digest> digest = Digest::FromHex(fields[0]);
  const StatusOr<Digest> diff_id = Digest::FromHex(fields[2]);
  if (!digest.ok() || !diff_id.ok()) {
    return std::nullopt;
  }
  return LayerBlob{LayerMediaType(options.compression, options.oci_media_types), *digest, size,
                   *diff_id, ""};
}

bool MayUseOriginal(const OriginalBlob& original, const LayerOptions& options) {
  const std::optional<Compression> compression = CompressionOf(original.media_type);
  return !options.force || !compression || *compression == options.compression;
}

}  // namespace

LayerExporter::LayerExporter(tree::TreeStore& trees, blob::Database& database, int threads)
    : trees_(trees), database_(database), compressors_("compress", threads) {}

LayerExporter::~LayerExporter() = default;

StatusOr<LayerBlob> LayerExporter::Export(const Layer& layer, const LayerOptions& options,
                                          const CancelToken& cancel) {
  if (layer.original && MayUseOriginal(*layer.original, options)) {
    const OriginalBlob& original = *layer.original;
    ASSIGN_OR_RETURN(const bool stored, trees_.blobs().Contains(original.digest));
    if (stored) {
      return LayerBlob{ConvertMediaType(original.media_type, options.oci_media_types),
                       original.digest, original.size, original.diff_id, original.origin};
    }
  }
  const std::string key = MemoryKey(layer.delta, options);
  ASSIGN_OR_RETURN(const KeyedLock::Guard guard, making_.Acquire(key, cancel));
  ASSIGN_OR_RETURN(std::optional<LayerBlob> known, Recall(key, options));
  if (known) {
    return *std::move(known);
  }
  ASSIGN_OR_RETURN(LayerBlob made, Make(layer.delta, options, cancel));
  RETURN_IF_ERROR(database_.Put(blob::Table::kLayers, key, EncodeMemory(made)));
  return made;
}

StatusOr<std::optional<LayerBlob>> LayerExporter::Recall(const std::string& key,
                                                         const LayerOptions& options) {
  ASSIGN_OR_RETURN(const auto memory, database_.Get(blob::Table::kLayers, key));
  std::optional<LayerBlob> known = memory ? DecodeMemory(*memory, options) : std::nullopt;
  if (!known) {
    return known;
  }
  ASSIGN_OR_RETURN(const bool stored, trees_.blobs().Contains(known->digest));
  return stored ? known : std::nullopt;
}

std::optional<LayerBlob> LayerExporter::Find(const Layer& layer) {
  if (layer.original) {
    const OriginalBlob& original = *layer.original;
    return LayerBlob{original.media_type, original.digest, original.size, original.diff_id,
                     original.origin};
  }
  for (const Compression compression :
       {Compression::kGzip, Compression::kZstd, Compression::kNone}) {
    const LayerOptions options{.compression = compression};
    const auto known = Recall(MemoryKey(layer.delta, options), options);
    if (known.ok() && known->has_value()) {
      return *known;
    }
  }
  return std::nullopt;
}

StatusOr<LayerBlob> LayerExporter::Make(const tree::TreeRef& delta, const LayerOptions& options,
                                        const CancelToken& cancel) {
  const TarStreamOptions stream{.clamp_mtime = options.clamp_mtime};
  const std::string media_type = LayerMediaType(options.compression, options.oci_media_types);
  if (options.compression == Compression::kNone) {
    ASSIGN_OR_RETURN(const auto writer, trees_.blobs().NewWriter());
    PlainStream plain(*writer);
    RETURN_IF_ERROR(WriteTarStream(trees_, delta, stream, plain, cancel));
    ASSIGN_OR_RETURN(const blob::BlobInfo blob, writer->Commit());
    return LayerBlob{media_type, blob.digest, blob.size, blob.digest, ""};
  }
  const fs::Encoding encoding =
      options.compression == Compression::kGzip ? fs::Encoding::kGzip : fs::Encoding::kZstd;
  ASSIGN_OR_RETURN(const auto compression,
                   ChunkedCompression::Create({trees_.blobs(), database_, compressors_}, encoding,
                                              options.level, cancel));
  RETURN_IF_ERROR(WriteTarStream(trees_, delta, stream, *compression, cancel));
  ASSIGN_OR_RETURN(const CompressedLayer made, compression->Finish());
  return LayerBlob{media_type, made.blob.digest, made.blob.size, made.diff_id, ""};
}

}  // namespace cairn::layer
