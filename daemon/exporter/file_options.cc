#include "daemon/exporter/file_options.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "daemon/exporter/statements.h"

namespace cairn::exporter {
namespace {

// "provenance.json" -> "provenance.linux_amd64.json"
std::string WithPlatform(const std::string& name, const std::string& id) {
  const size_t dot = name.rfind('.');
  const std::string platform = absl::StrReplaceAll(id, {{"/", "_"}});
  return dot == std::string::npos
             ? absl::StrCat(name, ".", platform)
             : absl::StrCat(name.substr(0, dot), ".", platform, name.substr(dot));
}

// The digests of a tree's files, which a statement about it is about.
StatusOr<std::vector<StatementSubject>> FileSubjects(tree::TreeStore& trees,
                                                     const tree::TreeRef& tree) {
  std::vector<StatementSubject> subjects;
  TreeListing listing(trees, {{.tree = tree}});
  for (;;) {
    ASSIGN_OR_RETURN(const std::optional<ListedEntry> entry, listing.Next());
    if (!entry.has_value()) {
      return subjects;
    }
    if (entry->file.has_value()) {
      subjects.push_back({.name = entry->stat.path, .digest = *entry->file});
    }
  }
}

}  // namespace

StatusOr<FileOptions> FileOptions::Parse(const std::map<std::string, std::string>& attributes) {
  FileOptions options;
  for (const auto& [key, value] : attributes) {
    if (key == "source-date-epoch") {
      ASSIGN_OR_RETURN(options.epoch, ParseEpoch(value));
    } else if (key == "attestation-prefix") {
      options.attestation_prefix = value;
    } else if (key == "platform-split") {
      ASSIGN_OR_RETURN(options.platform_split, ParseBool(key, value));
    } else if (key == "mode") {
      if (value != "" && value != "copy" && value != "delete") {
        return absl::InvalidArgumentError(
            absl::StrCat("invalid local exporter mode \"", value, "\""));
      }
      options.delete_extra = value == "delete";
    }
  }
  return options;
}

std::string DirectoryOf(const std::string& platform_id) {
  return absl::StrReplaceAll(platform_id, {{"/", "_"}});
}

StatusOr<std::vector<PlatformFiles>> FilesOf(const ExporterParts& parts, const SolvedResult& result,
                                             const FileOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<ResultPlatform> platforms, PlatformsOf(result));
  const bool split = options.platform_split.value_or(IsMap(result));
  std::vector<PlatformFiles> files;
  for (const ResultPlatform& platform : platforms) {
    PlatformFiles one{.id = platform.id,
                      .tree = {.tree = {.digest = Digest::Of(""), .content = Digest::Of("")}}};
    tree::TreeStore& trees = parts.chains.trees();
    if (platform.chain.has_value()) {
      ASSIGN_OR_RETURN(one.tree.tree, parts.chains.TreeOf(*platform.chain));
    } else {
      ASSIGN_OR_RETURN(one.tree.tree, trees.Empty());
    }
    if (split) {
      one.tree.directory = DirectoryOf(platform.id);
    }
    if (options.epoch.has_value()) {
      one.tree.epoch = *options.epoch;
    } else {
      ASSIGN_OR_RETURN(one.tree.epoch, EpochOf(result.metadata, platform.id));
    }
    const auto attestations = result.attestations.find(platform.id);
    if (attestations != result.attestations.end()) {
      std::vector<StatementSubject> subjects;
      for (const SolvedAttestation& attestation : attestations->second) {
        if (attestation.inline_only) {
          continue;
        }
        if (subjects.empty()) {
          ASSIGN_OR_RETURN(subjects, FileSubjects(trees, one.tree.tree));
        }
        std::string name = options.attestation_prefix + attestation.file_name;
        if (IsMap(result) && !split) {
          name = WithPlatform(name, platform.id);
        }
        ASSIGN_OR_RETURN(const std::string statement, MakeStatement(attestation, subjects));
        if (!one.tree.extra_files.emplace(name, IndentJson(statement)).second) {
          return absl::InvalidArgumentError(absl::StrCat("duplicate attestation path name ", name));
        }
      }
    }
    files.push_back(std::move(one));
  }
  return files;
}

}  // namespace cairn::exporter
