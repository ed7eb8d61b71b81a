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

// Key in kLayers: everything that the layer's bytes depend on. `recompressed` is the original blob
// that they are made from, else they are made from the delta.
std::string MemoryKey(const Layer& layer, const LayerOptions& options, bool recompressed) {
  std::string key(recompressed ? layer.original->digest.raw() : layer.delta.digest.raw());
  absl::StrAppend(&key, recompressed ? " original " : " 2 ", static_cast<int>(options.compression),
                  " ", options.compression == Compression::kNone ? -1 : options.level.value_or(-1));
  if (options.clamp_mtime && !recompressed) {
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
  return LayerBlob{LayerMediaType(options.compression, options.oci_media_types),
                   *digest,
                   size,
                   *diff_id,
                   "",
                   {}};
}

bool MayUseOriginal(const OriginalBlob& original, const LayerOptions& options) {
  const std::optional<Compression> compression = CompressionOf(original.media_type);
  return !options.force || !compression || *compression == options.compression;
}

fs::Encoding EncodingOf(Compression compression) {
  return compression == Compression::kGzip ? fs::Encoding::kGzip : fs::Encoding::kZstd;
}

}  // namespace

LayerExporter::LayerExporter(tree::TreeStore& trees, blob::Database& database, int threads)
    : trees_(trees), database_(database), compressors_("compress", threads) {}

LayerExporter::~LayerExporter() = default;

StatusOr<LayerBlob> LayerExporter::Export(const Layer& layer, const LayerOptions& options,
                                          const CancelToken& cancel) {
  bool stored = false;
  if (layer.original) {
    const OriginalBlob& original = *layer.original;
    ASSIGN_OR_RETURN(stored, trees_.blobs().Contains(original.digest));
    if (stored && MayUseOriginal(original, options)) {
      const std::string type = ConvertMediaType(original.media_type, options.oci_media_types);
      const bool keep = options.keep_nondistributable && !original.urls.empty();
      return LayerBlob{keep ? type : DistributableMediaType(type),
                       original.digest,
                       original.size,
                       original.diff_id,
                       original.origin,
                       keep ? original.urls : std::vector<std::string>()};
    }
  }
  const std::string key = MemoryKey(layer, options, stored);
  ASSIGN_OR_RETURN(const KeyedLock::Guard guard, making_.Acquire(key, cancel));
  ASSIGN_OR_RETURN(std::optional<LayerBlob> known, Recall(key, options));
  if (known) {
    return *std::move(known);
  }
  ASSIGN_OR_RETURN(LayerBlob made, stored ? Recompress(*layer.original, options, cancel)
                                          : Make(layer.delta, options, cancel));
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
    return LayerBlob{original.media_type, original.digest, original.size,
                     original.diff_id,    original.origin, original.urls};
  }
  for (const Compression compression :
       {Compression::kGzip, Compression::kZstd, Compression::kNone}) {
    const LayerOptions options{.compression = compression};
    const auto known = Recall(MemoryKey(layer, options, /*recompressed=*/false), options);
    if (known.ok() && known->has_value()) {
      return *known;
    }
  }
  return std::nullopt;
}

Status LayerExporter::Remember(const Layer& layer, const LayerBlob& blob, Compression compression) {
  const LayerOptions options{.compression = compression};
  return database_.Put(blob::Table::kLayers, MemoryKey(layer, options, /*recompressed=*/false),
                       EncodeMemory(blob));
}

StatusOr<absl::Time> LayerExporter::FirstExported(const Layer& layer, absl::Time now) {
  const std::string key = absl::StrCat("created:", layer.delta.digest.raw());
  ASSIGN_OR_RETURN(const std::optional<std::string> known, database_.Get(blob::Table::kMemo, key));
  int64_t nanoseconds = 0;
  if (known.has_value() && absl::SimpleAtoi(*known, &nanoseconds)) {
    return absl::FromUnixNanos(nanoseconds);
  }
  RETURN_IF_ERROR(database_.Put(blob::Table::kMemo, key, absl::StrCat(absl::ToUnixNanos(now))));
  return now;
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
    return LayerBlob{media_type, blob.digest, blob.size, blob.digest, "", {}};
  }
  ASSIGN_OR_RETURN(
      const auto compression,
      ChunkedCompression::Create({trees_.blobs(), database_, compressors_},
                                 EncodingOf(options.compression), options.level, cancel));
  RETURN_IF_ERROR(WriteTarStream(trees_, delta, stream, *compression, cancel));
  ASSIGN_OR_RETURN(const CompressedLayer made, compression->Finish());
  return LayerBlob{media_type, made.blob.digest, made.blob.size, made.diff_id, "", {}};
}

StatusOr<LayerBlob> LayerExporter::Recompress(const OriginalBlob& original,
                                              const LayerOptions& options,
                                              const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const auto reader, trees_.blobs().Open(original.digest));
  const std::unique_ptr<fs::ByteSource> stream = reader->Stream();
  ASSIGN_OR_RETURN(const std::unique_ptr<fs::ByteSource> plain,
                   fs::NewDetectingDecompressor(*stream));
  LayerBlob made{LayerMediaType(options.compression, options.oci_media_types),
                 original.digest,
                 0,
                 original.digest,
                 "",
                 {}};
  if (options.compression == Compression::kNone) {
    ASSIGN_OR_RETURN(const auto writer, trees_.blobs().NewWriter());
    RETURN_IF_ERROR(fs::Copy(*plain, *writer, cancel).status());
    ASSIGN_OR_RETURN(const blob::BlobInfo blob, writer->Commit());
    made.digest = made.diff_id = blob.digest;
    made.size = blob.size;
  } else {
    ASSIGN_OR_RETURN(
        const auto compression,
        ChunkedCompression::Create({trees_.blobs(), database_, compressors_},
                                   EncodingOf(options.compression), options.level, cancel));
    RETURN_IF_ERROR(fs::Copy(*plain, *compression, cancel).status());
    ASSIGN_OR_RETURN(const CompressedLayer compressed, compression->Finish());
    made.digest = compressed.blob.digest;
    made.size = compressed.blob.size;
    made.diff_id = compressed.diff_id;
  }
  if (made.diff_id != original.diff_id) {
    return absl::DataLossError(absl::StrCat("layer ", original.digest.ToString(), " holds ",
                                            made.diff_id.ToString(), " and not ",
                                            original.diff_id.ToString()));
  }
  return made;
}

}  // namespace cairn::layer
