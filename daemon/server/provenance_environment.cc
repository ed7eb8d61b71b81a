#include "daemon/server/provenance_environment.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cairn::server {
namespace {

constexpr char kDefaultDirectory[] = "/etc/cairn/provenance.d";
constexpr const char* kBuiltIn[] = {"buildConfig", "builderPlatform", "dockerfileVersion",
                                    "platform"};

}  // namespace

StatusOr<std::string> LoadProvenanceEnvironment(const std::string& directory) {
  std::error_code error;
  std::filesystem::directory_iterator entries(directory.empty() ? kDefaultDirectory : directory,
                                              error);
  if (error == std::errc::no_such_file_or_directory) {
    return std::string();
  }
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("read provenanceEnvDir ", directory));
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : entries) {
    if (entry.path().extension() == ".json" && !entry.is_directory(error)) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  nlohmann::json members = nlohmann::json::object();
  for (const std::filesystem::path& file : files) {
    std::ifstream stream(file);
    const std::string text((std::istreambuf_iterator<char>(stream)), {});
    const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) {
      return absl::InvalidArgumentError(
          absl::StrCat("provenanceEnvDir: ", file.string(), " is no JSON object"));
    }
    members.update(json);
  }
  for (const char* key : kBuiltIn) {
    if (members.contains(key)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "provenanceEnvDir: key \"", key, "\" is built in and cannot be set in ", directory));
    }
  }
  return members.dump();
}

}  // namespace cairn::server
