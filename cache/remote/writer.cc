#include "cache/remote/writer.h"

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/layer/media_types.h"
#include "cache/registry/manifest.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::remote {
namespace {

namespace media_type = registry::media_type;
using registry::Descriptor;

constexpr size_t kBlobsAtOnce = 4;

// A blob's stream that keeps its reader.
class StoredBlob final : public fs::ByteSource {
 public:
  explicit StoredBlob(std::unique_ptr<blob::BlobReader> reader)
      : reader_(std::move(reader)), stream_(reader_->Stream()) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override { return stream_->Read(buffer, size); }

 private:
  std::unique_ptr<blob::BlobReader> reader_;
  std::unique_ptr<fs::ByteSource> stream_;
};

Descriptor DescriptorOf(const DocumentLayer& layer, bool oci) {
  Descriptor descriptor = layer.blob;
  descriptor.media_type = layer::ConvertMediaType(descriptor.media_type, oci);
  descriptor.annotations.clear();
  if (layer.diff_id) {
    descriptor.annotations[kDiffIdAnnotation] = layer.diff_id->ToString();
  }
  if (layer.created != absl::InfinitePast()) {
    descriptor.annotations[kCreatedAnnotation] =
        absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", layer.created, absl::UTCTimeZone());
  }
  return descriptor;
}

Status PutLayers(blob::BlobStore& blobs, const CacheContent& content,
                 const std::vector<Descriptor>& layers, CacheTarget& target, const WriteStep& step,
                 const CancelToken& cancel) {
  std::set<Digest> seen;
  std::vector<size_t> wanted;  // each blob once
  for (size_t i = 0; i < layers.size(); ++i) {
    if (seen.insert(layers[i].digest).second) {
      wanted.push_back(i);
    }
  }
  CancelSource stop(cancel);
  std::atomic<size_t> next = 0;
  Mutex mu;
  Status failure;
  const auto work = [&] {
    for (size_t i = next++; i < wanted.size(); i = next++) {
      const Descriptor& layer = layers[wanted[i]];
      const std::string& origin = content.origins[wanted[i]];
      const auto open = [&blobs, &layer]() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
        ASSIGN_OR_RETURN(std::unique_ptr<blob::BlobReader> reader, blobs.Open(layer.digest));
        return std::make_unique<StoredBlob>(std::move(reader));
      };
      const Status put = step(absl::StrCat("writing layer ", layer.digest.ToString()), [&] {
        return Annotate(target.PutBlob(layer, origin, open, stop.token()),
                        "error writing layer blob");
      });
      if (!put.ok()) {
        MutexLock lock(mu);
        failure.Update(put);
        stop.Cancel();
        return;
      }
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(kBlobsAtOnce, wanted.size()); ++i) {
    threads.push_back(StartThread("write-cache", work));
  }
  work();
  for (std::thread& thread : threads) {
    thread.join();
  }
  RETURN_IF_ERROR(cancel.Check());
  return failure;
}

// The list of layers and document, as compact JSON.
std::string List(const std::vector<Descriptor>& layers, const Descriptor& config,
                 const CacheFormat& format, const std::string& type) {
  if (format.image_manifest) {
    const registry::Manifest manifest{.media_type = type, .config = config, .layers = layers};
    return nlohmann::ordered_json::parse(registry::SerializeManifest(manifest)).dump();
  }
  registry::Index index{.media_type = type, .manifests = layers};
  index.manifests.push_back(config);
  return nlohmann::ordered_json::parse(registry::SerializeIndex(index)).dump();
}

}  // namespace

StatusOr<Descriptor> WriteCache(blob::BlobStore& blobs, const CacheContent& content,
                                const CacheFormat& format, CacheTarget& target,
                                const WriteStep& step, const CancelToken& cancel) {
  std::vector<Descriptor> layers;
  for (const DocumentLayer& layer : content.document.layers) {
    layers.push_back(DescriptorOf(layer, format.oci_media_types));
  }
  RETURN_IF_ERROR(PutLayers(blobs, content, layers, target, step, cancel));

  const std::string document = EncodeConfig(content.document);
  const Descriptor config{
      .media_type = kCacheConfigType, .digest = Digest::Of(document), .size = document.size()};
  const auto open = [&document]() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
    return std::make_unique<fs::StringSource>(document);
  };
  RETURN_IF_ERROR(step(absl::StrCat("writing config ", config.digest.ToString()), [&] {
    return Annotate(target.PutBlob(config, "", open, cancel), "error writing config blob");
  }));

  const std::string type = format.image_manifest    ? media_type::kOciManifest
                           : format.oci_media_types ? media_type::kOciIndex
                                                    : media_type::kDockerIndex;
  const std::string list = List(layers, config, format, type);
  Descriptor top{.media_type = type, .digest = Digest::Of(list), .size = list.size()};
  RETURN_IF_ERROR(step(absl::StrCat(format.image_manifest ? "writing cache image manifest "
                                                          : "writing cache manifest ",
                                    top.digest.ToString()),
                       [&] {
                         return Annotate(target.PutManifest(top, list, cancel),
                                         "error writing manifest blob");
                       }));
  return top;
}

}  // namespace cairn::remote
