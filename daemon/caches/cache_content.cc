#include "daemon/caches/cache_content.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "cache/remote/layer_records.h"

namespace cairn::caches {
namespace {

// The index of a layer in the document; nullopt when the document is not to have it.
using IndexOf = std::function<StatusOr<std::optional<size_t>>(const layer::Layer& layer)>;

StatusOr<remote::DocumentOutput> MakeOutput(const solver::ExportableStep::Output& output,
                                            const IndexOf& index_of) {
  remote::DocumentOutput made{
      .base_input = output.base_input, .content = output.content, .layers = {}};
  std::vector<size_t> indices;
  for (const layer::Layer& layer : output.layers) {
    ASSIGN_OR_RETURN(const std::optional<size_t> index, index_of(layer));
    if (!index) {
      return made;
    }
    indices.push_back(*index);
  }
  made.layers = std::move(indices);
  return made;
}

// The records of all steps, each key once, in the order of keys.
StatusOr<std::vector<remote::DocumentRecord>> MakeRecords(
    const std::vector<solver::ExportableStep>& steps, const IndexOf& index_of) {
  std::map<Digest, const solver::ExportableStep*> by_key;
  for (const solver::ExportableStep& step : steps) {
    by_key.emplace(step.key, &step);
  }
  std::vector<remote::DocumentRecord> records;
  for (const auto& [key, step] : by_key) {
    remote::DocumentRecord record{.key = key, .outputs = {}, .selections = {}, .duration = {}};
    for (const solver::ExportableStep::Output& output : step->outputs) {
      ASSIGN_OR_RETURN(remote::DocumentOutput made, MakeOutput(output, index_of));
      record.outputs.push_back(std::move(made));
    }
    for (const solver::ExportableStep::Selection& selection : step->selections) {
      record.selections.push_back({selection.content, selection.selection, selection.result});
    }
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace

StatusOr<remote::CacheContent> MakeCacheContent(const CacheParts& parts,
                                                const std::vector<solver::ExportableStep>& steps,
                                                const std::vector<layer::Chain>& results,
                                                const ContentOptions& options, gc::Lease& lease,
                                                const CancelToken& cancel) {
  std::set<Digest> in_results;
  for (const layer::Chain& result : results) {
    for (const layer::Layer& layer : result.layers) {
      in_results.insert(layer.delta.digest);
    }
  }
  remote::CacheContent content;
  absl::flat_hash_map<Digest, size_t> indices;  // by delta
  const IndexOf index_of = [&](const layer::Layer& layer) -> StatusOr<std::optional<size_t>> {
    if (layer.content_only || (!options.all_layers && in_results.count(layer.delta.digest) == 0)) {
      return std::nullopt;
    }
    const auto [known, is_new] =
        indices.try_emplace(layer.delta.digest, content.document.layers.size());
    if (is_new) {
      const StatusOr<layer::LayerBlob> exported =
          parts.layers.Export(layer, options.layers, cancel);
      if (absl::IsNotFound(exported.status()) || absl::IsDataLoss(exported.status())) {
        // Bytes that are gone are no reason for a build to fail: the cache has a step less.
        indices.erase(known);
        return std::nullopt;
      }
      RETURN_IF_ERROR(exported.status());
      const layer::LayerBlob& blob = *exported;
      RETURN_IF_ERROR(remote::OwnLayerBlob(parts.ledger, lease, blob));
      ASSIGN_OR_RETURN(const absl::Time created,
                       parts.layers.FirstExported(layer, parts.clock.Now()));
      content.document.layers.push_back(
          {.blob = {.media_type = blob.media_type, .digest = blob.digest, .size = blob.size},
           .diff_id = blob.diff_id,
           .created = created});
      content.origins.push_back(blob.origin);
    }
    return std::optional<size_t>(known->second);
  };
  ASSIGN_OR_RETURN(content.document.records, MakeRecords(steps, index_of));
  for (remote::DocumentRecord& record : content.document.records) {
    const auto known = parts.steps.Find(record.key);
    if (known.ok() && known->has_value()) {
      record.duration = (*known)->duration;
    }
  }
  return content;
}

std::string MakeInlineCache(const std::vector<solver::ExportableStep>& steps,
                            const layer::Chain& result) {
  absl::flat_hash_map<Digest, size_t> indices;
  for (size_t i = 0; i < result.layers.size(); ++i) {
    indices.try_emplace(result.layers[i].delta.digest, i);
  }
  bool any = false;
  const auto records =
      MakeRecords(steps, [&](const layer::Layer& layer) -> StatusOr<std::optional<size_t>> {
        const auto found = indices.find(layer.delta.digest);
        if (found == indices.end()) {
          return std::nullopt;
        }
        any = true;
        return std::optional<size_t>(found->second);
      });
  return records.ok() && any ? remote::EncodeRecords(*records) : "";
}

}  // namespace cairn::caches
