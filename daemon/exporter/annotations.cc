#include "daemon/exporter/annotations.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn::exporter {
namespace {

// Splits "annotation-<place>[<platform>].<key>"; false when `name` is no annotation.
bool SplitName(string_view name, std::string& place, std::string& platform, std::string& key) {
  if (!absl::ConsumePrefix(&name, "annotation")) {
    return false;
  }
  if (absl::ConsumePrefix(&name, "-")) {
    const size_t end = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz-");
    if (end == string_view::npos || end == 0) {
      return false;
    }
    place = std::string(name.substr(0, end));
    name.remove_prefix(end);
  }
  if (absl::ConsumePrefix(&name, "[")) {
    const size_t end = name.find(']');
    if (end == string_view::npos || end == 0) {
      return false;
    }
    platform = std::string(name.substr(0, end));
    name.remove_prefix(end + 1);
  }
  if (!absl::ConsumePrefix(&name, ".") || name.empty() ||
      name.find_first_of(" \t\r\n") != string_view::npos) {
    return false;
  }
  key = std::string(name);
  return true;
}

void Merge(const Annotations::Map& from, Annotations::Map& into) {
  for (const auto& [key, value] : from) {
    into[key] = value;
  }
}

}  // namespace

Status AnnotationGroups::TakeFrom(std::map<std::string, std::string>& values) {
  for (auto it = values.begin(); it != values.end();) {
    std::string place, platform, key;
    if (!SplitName(it->first, place, platform, key)) {
      ++it;
      continue;
    }
    if (!platform.empty()) {
      ASSIGN_OR_RETURN(const Platform parsed, Platform::Parse(platform));
      platform = parsed.ToString();
    }
    Annotations& group = groups_[platform];
    if (place.empty() || place == "manifest") {
      group.manifest[key] = it->second;
    } else if (place == "manifest-descriptor") {
      group.manifest_descriptor[key] = it->second;
    } else if (place == "index") {
      group.index[key] = it->second;
    } else if (place == "index-descriptor") {
      group.index_descriptor[key] = it->second;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unrecognized annotation type ", place));
    }
    it = values.erase(it);
  }
  return absl::OkStatus();
}

Annotations AnnotationGroups::For(const Platform* platform) const {
  Annotations result;
  for (const auto& entry : groups_) {
    Merge(entry.second.index, result.index);
    Merge(entry.second.index_descriptor, result.index_descriptor);
    // "" sorts first: a platform's own annotations win.
    if (entry.first.empty() || (platform != nullptr && entry.first == platform->ToString())) {
      Merge(entry.second.manifest, result.manifest);
      Merge(entry.second.manifest_descriptor, result.manifest_descriptor);
    }
  }
  return result;
}

std::vector<std::string> AnnotationGroups::platforms() const {
  std::vector<std::string> names;
  for (const auto& entry : groups_) {
    if (!entry.first.empty()) {
      names.push_back(entry.first);
    }
  }
  return names;
}

bool AnnotationGroups::needs_index() const {
  for (const auto& entry : groups_) {
    if (!entry.second.index.empty() || !entry.second.index_descriptor.empty() ||
        !entry.second.manifest_descriptor.empty()) {
      return true;
    }
  }
  return false;
}

}  // namespace cairn::exporter
