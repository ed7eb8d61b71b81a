#include "daemon/source/layer_puller.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/layer/importer.h"
#include "daemon/source/status_line.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::source {
namespace {

constexpr size_t kParallelLayers = 4;

// What importing a blob gave: "imported:" + blob digest -> delta digest, diff ID (32 bytes each).
std::string MemoKey(const Digest& blob) { return absl::StrCat("imported:", blob.raw()); }

struct Imported {
  tree::TreeRef delta;
  Digest diff_id;
};

// nullopt when the blob was never imported, or its tree is gone.
std::optional<Imported> FindImported(tree::TreeStore& trees, blob::Database& database,
                                     const Digest& blob) {
  const StatusOr<std::optional<std::string>> value =
      database.Get(blob::Table::kMemo, MemoKey(blob));
  if (!value.ok() || !value->has_value() || (*value)->size() != 2 * Digest::kSize) {
    return std::nullopt;
  }
  const Digest root = *Digest::FromRaw(string_view(**value).substr(0, Digest::kSize));
  StatusOr<tree::TreeRef> delta = trees.RefOf(root);
  if (!delta.ok()) {
    return std::nullopt;
  }
  return Imported{*std::move(delta), *Digest::FromRaw(string_view(**value).substr(Digest::kSize))};
}

}  // namespace

Status LayerPuller::Download(const registry::Descriptor& descriptor, ContentFetcher& fetcher,
                             solver::VertexReporter& reporter, const CancelToken& cancel) {
  blob::BlobStore& blobs = chains_.trees().blobs();
  ASSIGN_OR_RETURN(const bool stored, blobs.Contains(descriptor.digest));
  if (stored) {
    return absl::OkStatus();
  }
  StatusLine line(reporter, clock_, descriptor.digest.ToString(), "downloading");
  ASSIGN_OR_RETURN(const std::unique_ptr<blob::BlobWriter> writer, blobs.NewWriter());
  const int64_t total = static_cast<int64_t>(descriptor.size);
  RETURN_IF_ERROR(fetcher.FetchBlob(
      descriptor, *writer,
      [&line, total](uint64_t done) { line.Update(static_cast<int64_t>(done), total); }, cancel));
  RETURN_IF_ERROR(writer->Commit(descriptor.digest).status());
  line.Update(total, total);
  return absl::OkStatus();
}

StatusOr<layer::Layer> LayerPuller::PullLayer(const registry::Descriptor& descriptor,
                                              const std::optional<Digest>& diff_id,
                                              ContentFetcher& fetcher,
                                              solver::VertexReporter& reporter,
                                              const CancelToken& cancel) {
  if (!registry::IsLayerType(descriptor.media_type)) {
    return absl::InvalidArgumentError(absl::StrCat("layer ", descriptor.digest.ToString(),
                                                   " of the unknown type ", descriptor.media_type));
  }
  const auto make_layer = [&](const Imported& imported) {
    return layer::Layer{.delta = imported.delta,
                        .original = layer::OriginalBlob{.media_type = descriptor.media_type,
                                                        .digest = descriptor.digest,
                                                        .size = descriptor.size,
                                                        .diff_id = imported.diff_id,
                                                        .origin = fetcher.origin()}};
  };
  tree::TreeStore& trees = chains_.trees();
  const std::optional<Imported> known = FindImported(trees, database_, descriptor.digest);
  if (known.has_value() && (!diff_id.has_value() || *diff_id == known->diff_id)) {
    return make_layer(*known);
  }
  RETURN_IF_ERROR(Download(descriptor, fetcher, reporter, cancel));
  StatusLine line(reporter, clock_, absl::StrCat("extracting ", descriptor.digest.ToString()),
                  "extract");
  ASSIGN_OR_RETURN(const std::unique_ptr<blob::BlobReader> reader,
                   trees.blobs().Open(descriptor.digest));
  const std::unique_ptr<fs::ByteSource> stream = reader->Stream();
  ASSIGN_OR_RETURN_IN(const layer::ImportedTar tar,
                      layer::ImportTar(trees, *stream, /*whiteouts=*/true, cancel),
                      absl::StrCat("layer ", descriptor.digest.ToString()));
  if (diff_id.has_value() && tar.diff_id != *diff_id) {
    return absl::DataLossError(absl::StrCat("layer ", descriptor.digest.ToString(), " unpacks to ",
                                            tar.diff_id.ToString(), ", the image config says ",
                                            diff_id->ToString()));
  }
  RETURN_IF_ERROR(database_.Put(blob::Table::kMemo, MemoKey(descriptor.digest),
                                absl::StrCat(tar.tree.digest.raw(), tar.diff_id.raw())));
  return make_layer({tar.tree, tar.diff_id});
}

StatusOr<layer::Chain> LayerPuller::Pull(const ImageDocuments& image, size_t limit,
                                         ContentFetcher& fetcher, solver::VertexReporter& reporter,
                                         const CancelToken& cancel) {
  const std::vector<registry::Descriptor>& all = image.parsed.layers;
  const size_t count = limit == 0 ? all.size() : std::min(limit, all.size());
  const std::vector<Digest>& diff_ids = image.config_info.diff_ids;
  if (!diff_ids.empty() && diff_ids.size() != all.size()) {
    return absl::InvalidArgumentError(absl::StrCat("image has ", all.size(), " layers, but ",
                                                   diff_ids.size(), " diff IDs in its config"));
  }
  std::vector<std::optional<layer::Layer>> layers(count);
  std::atomic<size_t> next = 0;
  CancelSource stop(cancel);
  Mutex mu;
  Status failure;  // the first
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) {
      const std::optional<Digest> diff_id =
          diff_ids.empty() ? std::nullopt : std::make_optional(diff_ids[i]);
      StatusOr<layer::Layer> layer = PullLayer(all[i], diff_id, fetcher, reporter, stop.token());
      if (!layer.ok()) {
        {
          MutexLock lock(mu);
          if (failure.ok()) {
            failure = layer.status();
          }
        }
        stop.Cancel();
        return;
      }
      layers[i] = *std::move(layer);
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(kParallelLayers, count); ++i) {
    threads.push_back(StartThread("pull-layer", work));
  }
  work();
  for (std::thread& thread : threads) {
    thread.join();
  }
  RETURN_IF_ERROR(cancel.Check());
  RETURN_IF_ERROR(failure);
  ASSIGN_OR_RETURN(layer::Chain chain, chains_.Scratch());
  for (std::optional<layer::Layer>& layer : layers) {
    ASSIGN_OR_RETURN(chain, chains_.Append(chain, *std::move(layer)));
  }
  return chain;
}

}  // namespace cairn::source
