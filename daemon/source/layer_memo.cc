#include "daemon/source/layer_memo.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::source {
namespace {

// Key "layer import " + the blob's digest; value "<delta digest> <diff ID>".
std::string KeyOf(const Digest& blob) { return absl::StrCat("layer import ", blob.hex()); }

}  // namespace

StatusOr<std::optional<layer::ImportedTar>> FindImportedLayer(blob::Database& database,
                                                              tree::TreeStore& trees,
                                                              const Digest& blob) {
  ASSIGN_OR_RETURN(const std::optional<std::string> value,
                   database.Get(blob::Table::kMemo, KeyOf(blob)));
  if (!value.has_value()) {
    return std::nullopt;
  }
  const std::vector<std::string> parts = absl::StrSplit(*value, ' ');
  const auto delta = Digest::Parse(parts[0]);
  const auto diff_id = Digest::Parse(parts.back());
  if (parts.size() != 2 || !delta.ok() || !diff_id.ok()) {
    return std::nullopt;
  }
  const auto tree = trees.RefOf(*delta);
  if (!tree.ok()) {
    return std::nullopt;
  }
  return layer::ImportedTar{.tree = *tree, .diff_id = *diff_id};
}

Status RememberImportedLayer(blob::Database& database, const Digest& blob,
                             const layer::ImportedTar& imported) {
  return database.Put(
      blob::Table::kMemo, KeyOf(blob),
      absl::StrCat(imported.tree.digest.ToString(), " ", imported.diff_id.ToString()));
}

}  // namespace cairn::source
