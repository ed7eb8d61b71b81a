#include "client/commands/cache_option.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/commands/output_option.h"
#include "client/image_layout.h"

namespace cairn::client {
namespace {

constexpr char kLocal[] = "local";
constexpr char kManifestKey[] = "cache.manifest";

// Takes an attribute out; `fallback` when there is none.
std::string Take(BuildRequest::Output& cache, const std::string& key, const std::string& fallback) {
  const auto found = cache.attributes.find(key);
  if (found == cache.attributes.end()) {
    return fallback;
  }
  std::string value = std::move(found->second);
  cache.attributes.erase(found);
  return value;
}

std::string ValueOf(const BuildRequest::Output& cache, const std::string& key) {
  const auto found = cache.attributes.find(key);
  return found == cache.attributes.end() ? "" : found->second;
}

}  // namespace

StatusOr<CacheOptions> CacheOptions::Parse(const std::vector<std::string>& cache_from,
                                           const std::vector<std::string>& cache_to) {
  CacheOptions options;
  for (const std::string& text : cache_from) {
    RETURN_IF_ERROR(options.AddImport(text));
  }
  for (const std::string& text : cache_to) {
    RETURN_IF_ERROR(options.AddExport(text));
  }
  return options;
}

Status CacheOptions::AddImport(const std::string& text) {
  ASSIGN_OR_RETURN(BuildRequest::Output cache, ParseCache(text));
  if (cache.type == kLocal) {
    const std::string directory = ValueOf(cache, "src");
    if (directory.empty()) {
      return absl::InvalidArgumentError("local cache importer requires src");
    }
    const std::string tag = Take(cache, "tag", "latest");
    if (ValueOf(cache, "digest").empty()) {
      const StatusOr<std::string> digest = FindTag(directory, tag);
      if (!digest.ok()) {
        warnings_.push_back(absl::StrCat("local cache import at ", directory,
                                         " skipped: ", std::string(digest.status().message())));
        return absl::OkStatus();
      }
      cache.attributes["digest"] = *digest;
    }
    layouts_["local:" + directory] = directory;
  }
  imports_.push_back(std::move(cache));
  return absl::OkStatus();
}

Status CacheOptions::AddExport(const std::string& text) {
  ASSIGN_OR_RETURN(BuildRequest::Output cache, ParseCache(text));
  if (cache.type == kLocal) {
    const std::string directory = ValueOf(cache, "dest");
    if (directory.empty()) {
      return absl::InvalidArgumentError("local cache exporter requires dest");
    }
    if (cache.attributes.count("reset") > 0) {
      return absl::InvalidArgumentError(
          "reset is not supported for local caches: remove the directory instead");
    }
    tags_[directory] = Take(cache, "tag", "latest");
    layouts_["local:" + directory] = directory;
  }
  exports_.push_back(std::move(cache));
  return absl::OkStatus();
}

void CacheOptions::AddTo(BuildRequest& request) const {
  request.cache_imports = imports_;
  request.cache_exports = exports_;
  request.session.layouts.insert(layouts_.begin(), layouts_.end());
}

Status CacheOptions::WriteIndexes(const std::map<std::string, std::string>& response) const {
  const auto manifest = response.find(kManifestKey);
  if (manifest == response.end()) {
    return absl::OkStatus();  // there was nothing to write
  }
  for (const auto& [directory, tag] : tags_) {
    RETURN_IF_ERROR(SetTag(directory, manifest->second, tag));
  }
  return absl::OkStatus();
}

}  // namespace cairn::client
