#include "daemon/exporter/sbom_layers.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "cache/tree/algebra.h"

namespace cairn::exporter {
namespace {

using Json = nlohmann::ordered_json;

bool Puts(tree::TreeStore& trees, const layer::Layer& layer, const std::string& path) {
  const auto found = tree::Lookup(trees, layer.delta, path, /*follow=*/false);
  return found.ok() && found->entry.type != tree::Entry::Type::kWhiteout;
}

std::string CommentFor(tree::TreeStore& trees, const std::vector<layer::Layer>& layers,
                       const std::vector<Digest>& stored, const std::string& path) {
  for (size_t i = layers.size(); i-- > 0;) {
    if (i < stored.size() && Puts(trees, layers[i], path)) {
      return absl::StrCat("layerID: ", stored[i].ToString());
    }
  }
  return "";
}

}  // namespace

std::string AddLayerComments(tree::TreeStore& trees, const std::vector<layer::Layer>& layers,
                             const std::vector<Digest>& stored, const std::string& document) {
  Json json = Json::parse(document, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("spdxVersion")) {
    return document;
  }
  if (json.contains("files") && json["files"].is_array()) {
    for (Json& file : json["files"]) {
      if (!file.is_object() || !file.contains("fileName") || !file["fileName"].is_string() ||
          (file.contains("comment") && file["comment"] != "")) {
        continue;
      }
      const std::string comment =
          CommentFor(trees, layers, stored, file["fileName"].get<std::string>());
      if (!comment.empty()) {
        file["comment"] = comment;
      }
    }
  }
  Json& creation = json["creationInfo"];
  if (!creation.is_object()) {
    creation = Json::object();
  }
  Json& creators = creation["creators"];
  if (!creators.is_array()) {
    creators = Json::array();
  }
  creators.push_back("Tool: cairn");
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace cairn::exporter
