#include "daemon/frontend/gateway/frontend_image.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"

namespace cairn::gateway {
namespace {

using Json = nlohmann::json;

std::string TextAt(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::vector<std::string> ListAt(const Json& object, const char* name) {
  std::vector<std::string> list;
  const auto found = object.find(name);
  if (found != object.end() && found->is_array()) {
    for (const Json& item : *found) {
      if (item.is_string()) {
        list.push_back(item.get<std::string>());
      }
    }
  }
  return list;
}

}  // namespace

std::set<std::string> ParseCapabilities(const std::string& list) {
  std::set<std::string> names;
  for (const string_view item : absl::StrSplit(list, ',', absl::SkipEmpty())) {
    const string_view name = item.substr(0, item.find('+'));
    if (!name.empty()) {
      names.emplace(name);
    }
  }
  return names;
}

StatusOr<FrontendImage> FrontendImage::Parse(const std::string& config) {
  const Json root = Json::parse(config, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) {
    return absl::InvalidArgumentError("the frontend's image config is not JSON");
  }
  FrontendImage image;
  const auto found = root.find("config");
  if (found == root.end() || !found->is_object()) {
    return image;
  }
  image.env = ListAt(*found, "Env");
  const std::vector<std::string> entrypoint = ListAt(*found, "Entrypoint");
  if (!entrypoint.empty()) {
    image.entrypoint = entrypoint;
  }
  const std::string directory = TextAt(*found, "WorkingDir");
  if (!directory.empty()) {
    image.working_directory = directory;
  }
  const auto labels = found->find("Labels");
  if (labels != found->end() && labels->is_object()) {
    const std::string none = TextAt(*labels, "moby.buildkit.frontend.network.none");
    image.without_network = none == "true" || none == "1" || none == "t" || none == "T" ||
                            none == "TRUE" || none == "True";
    image.capabilities = ParseCapabilities(TextAt(*labels, "moby.buildkit.frontend.caps"));
  }
  return image;
}

}  // namespace cairn::gateway
