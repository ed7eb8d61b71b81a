// What local and tar are asked for, and the trees that a result is for them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/exporter/exporters.h"
#include "daemon/exporter/result_platforms.h"
#include "daemon/exporter/tree_listing.h"

namespace cairn::exporter {

struct FileOptions {
  std::optional<std::optional<int64_t>> epoch;  // see ImageOptions
  std::string attestation_prefix;
  std::optional<bool> platform_split;
  bool delete_extra = false;  // mode=delete

  // kInvalidArgument for values that make no sense.
  static StatusOr<FileOptions> Parse(const std::map<std::string, std::string>& attributes);
};

// One platform's files.
struct PlatformFiles {
  std::string id;  // "linux/amd64"
  ListedTree tree;
};

// What the files of one platform of several are in: "linux_arm64".
std::string DirectoryOf(const std::string& platform_id);

// The trees of `result`, each in a directory of its own when the platforms are split.
StatusOr<std::vector<PlatformFiles>> FilesOf(const ExporterParts& parts, const SolvedResult& result,
                                             const FileOptions& options);

}  // namespace cairn::exporter
