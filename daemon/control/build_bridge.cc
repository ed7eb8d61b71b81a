#include "daemon/control/build_bridge.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cache/tree/algebra.h"
#include "daemon/control/file_range.h"
#include "daemon/control/worker_info.h"
#include "daemon/llb/errors.h"
#include "proto/error_details.pb.h"
#include "runtime/base/pattern.h"

namespace cairn::control {
namespace {

constexpr char kDockerfileFrontend[] = "dockerfile.v0";
constexpr char kGatewayFrontend[] = "gateway.v0";
constexpr char kImageScheme[] = "docker-image://";
constexpr char kLayoutScheme[] = "oci-layout://";

fs::Kind KindOf(tree::Entry::Type type) {
  switch (type) {
    case tree::Entry::Type::kDirectory:
      return fs::Kind::kDirectory;
    case tree::Entry::Type::kSymlink:
      return fs::Kind::kSymlink;
    case tree::Entry::Type::kFifo:
      return fs::Kind::kFifo;
    case tree::Entry::Type::kCharDevice:
      return fs::Kind::kCharDevice;
    case tree::Entry::Type::kBlockDevice:
      return fs::Kind::kBlockDevice;
    case tree::Entry::Type::kFile:
    case tree::Entry::Type::kWhiteout:
      break;
  }
  return fs::Kind::kFile;
}

StatusOr<solver::FileStat> StatOf(tree::TreeStore& trees, const tree::Entry& entry) {
  solver::FileStat stat;
  stat.path = entry.name;
  stat.kind = KindOf(entry.type);
  stat.metadata = entry.metadata;
  stat.size = entry.size;
  stat.link_target = entry.target;
  stat.device = entry.device;
  if (entry.type == tree::Entry::Type::kDirectory) {
    ASSIGN_OR_RETURN(const auto directory, trees.Load(entry.directory->digest));
    stat.metadata = directory->metadata;
  } else if (entry.type == tree::Entry::Type::kSymlink) {
    stat.size = entry.target.size();
  }
  return stat;
}

std::optional<pb::Platform> WirePlatform(const std::optional<Platform>& platform) {
  if (!platform.has_value()) {
    return std::nullopt;
  }
  pb::Platform wire;
  EncodePlatform(*platform, &wire);
  return wire;
}

StatusOr<TypedAttributes> ParseCacheImport(const nlohmann::json& item) {
  TypedAttributes import;
  bool valid = item.is_object();
  for (auto it = item.begin(); valid && it != item.end(); ++it) {
    if (absl::EqualsIgnoreCase(it.key(), "type")) {
      valid = it->is_string();
      import.type = valid ? it->get<std::string>() : "";
    } else if (absl::EqualsIgnoreCase(it.key(), "attrs")) {
      valid = it->is_object() || it->is_null();
      for (auto attribute = it->begin(); valid && attribute != it->end(); ++attribute) {
        valid = attribute->is_string();
        import.attributes[attribute.key()] = valid ? attribute->get<std::string>() : "";
      }
    }
  }
  if (!valid || import.type.empty()) {
    return absl::InvalidArgumentError("failed to unmarshal cache-imports: not a list of caches");
  }
  return import;
}

}  // namespace

std::string TakeBuiltinFrontend(const std::string& frontend,
                                std::map<std::string, std::string>* options) {
  const auto source = options->find("source");
  if (frontend != kGatewayFrontend || source == options->end() ||
      source->second != kDockerfileFrontend || options->count("context:dockerfile.v0") > 0) {
    return frontend;
  }
  options->erase(source);
  return kDockerfileFrontend;
}

StatusOr<std::vector<TypedAttributes>> CacheImportsOf(
    const std::map<std::string, std::string>& options) {
  std::vector<TypedAttributes> imports;
  const auto listed = options.find("cache-imports");
  if (listed != options.end() && !listed->second.empty()) {
    const nlohmann::json list = nlohmann::json::parse(listed->second, nullptr, false);
    if (!list.is_array()) {
      return absl::InvalidArgumentError("failed to unmarshal cache-imports: not a list of caches");
    }
    for (const nlohmann::json& item : list) {
      ASSIGN_OR_RETURN(TypedAttributes import, ParseCacheImport(item));
      imports.push_back(std::move(import));
    }
  }
  const auto references = options.find("cache-from");
  if (imports.empty() && references != options.end()) {
    for (const string_view ref : absl::StrSplit(references->second, ',', absl::SkipEmpty())) {
      imports.push_back({"registry", {{"ref", std::string(ref)}}});
    }
  }
  return imports;
}

BuildBridge::BuildBridge(const BridgeEnvironment& environment, solver::Job& job, PolicyGate& gate,
                         RequestRecord& record, caches::BuildImports& imports,
                         std::map<std::string, pb::Definition> inputs, std::string session_id)
    : environment_(environment),
      job_(job),
      gate_(gate),
      record_(record),
      imports_(imports),
      inputs_(std::move(inputs)),
      session_id_(std::move(session_id)) {}

StatusOr<solver::FrontendResult> BuildBridge::Solve(const solver::SolveRequest& request,
                                                    const CancelToken& cancel) {
  solver::FrontendResult result;
  for (const auto& [type, attributes] : request.cache_imports) {
    imports_.Add(type, attributes);
  }
  if (request.definition.has_value()) {
    ASSIGN_OR_RETURN(const pb::Definition passed,
                     gate_.Check(*request.definition, request.source_policies, cancel));
    ASSIGN_OR_RETURN(result.ref, job_.Load(passed));
    record_.AddResult(result);
  } else if (!request.frontend.empty()) {
    ASSIGN_OR_RETURN(result, RunFrontend(request, cancel));
  }
  if (!request.evaluate) {
    return result;
  }
  if (result.ref.has_value() && *result.ref != nullptr) {
    RETURN_IF_ERROR((*result.ref)->Evaluate(cancel).status());
  }
  for (const auto& entry : result.refs) {
    if (entry.second != nullptr) {
      RETURN_IF_ERROR(entry.second->Evaluate(cancel).status());
    }
  }
  return result;
}

StatusOr<solver::FrontendResult> BuildBridge::RunFrontend(const solver::SolveRequest& request,
                                                          const CancelToken& cancel) {
  const auto& options = request.request.options;
  const auto source = options.find("source");
  std::map<std::string, std::string> recorded = options;
  const std::string name = TakeBuiltinFrontend(request.frontend, &recorded);
  const auto found = environment_.frontends.find(name);
  if (found == environment_.frontends.end()) {
    return absl::InvalidArgumentError(absl::StrCat("invalid frontend: ", name));
  }
  ASSIGN_OR_RETURN(const std::vector<TypedAttributes> caches, CacheImportsOf(options));
  for (const TypedAttributes& cache : caches) {
    imports_.Add(cache.type, cache.attributes);
  }
  RequestRecord& record = record_.AddFrontend(name, recorded, request.request.inputs);
  BuildBridge bridge(environment_, job_, gate_, record, imports_, request.request.inputs,
                     session_id_);
  auto result = found->second->Solve(bridge, request.request, cancel);
  if (result.ok()) {
    record.AddOutcome(*result);
    return result;
  }
  if (absl::IsCancelled(result.status())) {
    return result;
  }
  errdefs::Frontend detail;
  detail.set_name(name);
  if (source != options.end()) {
    detail.set_source(source->second);
  }
  return llb::WithFrontend(result.status(), detail);
}

StatusOr<solver::ImageConfig> BuildBridge::ResolveImageConfig(
    const solver::ResolveImageRequest& request, const CancelToken& cancel) {
  solver::ResolveImageRequest passed = request;
  pb::SourceOp source;
  source.set_identifier(
      absl::StrCat(request.oci_layout ? kLayoutScheme : kImageScheme, request.reference));
  RETURN_IF_ERROR(
      gate_.CheckSource(&source, WirePlatform(request.platform), request.source_policies, cancel));
  string_view reference = source.identifier();
  if (!absl::ConsumePrefix(&reference, request.oci_layout ? kLayoutScheme : kImageScheme)) {
    // Who asked may be able to take the other source.
    return llb::WithReplacedSource(absl::FailedPreconditionError(absl::StrCat(
                                       "ref mutated by policy to non-image: ", kImageScheme,
                                       request.reference, " -> ", source.identifier())),
                                   source.identifier());
  }
  passed.reference = std::string(reference);
  ASSIGN_OR_RETURN(solver::ImageConfig config,
                   ResolveInVertex(environment_.sources, job_, passed, cancel));
  record_.AddImage(
      {passed.reference, request.platform, config.digest, /*local=*/request.oci_layout});
  return config;
}

StatusOr<solver::SourceMeta> BuildBridge::ResolveSourceMeta(
    const solver::ResolveSourceRequest& request, const CancelToken& cancel) {
  solver::ResolveSourceRequest passed = request;
  RETURN_IF_ERROR(gate_.CheckSource(&passed.source, WirePlatform(request.platform),
                                    request.source_policies, cancel));
  ASSIGN_OR_RETURN(solver::SourceMeta meta,
                   ResolveInVertex(environment_.sources, job_, passed, cancel));
  if (meta.image.has_value()) {
    string_view reference = meta.source.identifier();
    const bool local = !absl::ConsumePrefix(&reference, kImageScheme);
    absl::ConsumePrefix(&reference, kLayoutScheme);
    record_.AddImage({std::string(reference), request.platform, meta.image->digest, local});
  }
  return meta;
}

StatusOr<tree::TreeRef> BuildBridge::TreeOf(const solver::RefPtr& ref, const CancelToken& cancel) {
  if (ref == nullptr) {
    return environment_.chains.trees().Empty();
  }
  ASSIGN_OR_RETURN(const layer::Chain chain, ref->Evaluate(cancel));
  return environment_.chains.TreeOf(chain);
}

StatusOr<std::string> BuildBridge::ReadFile(const solver::RefPtr& ref, string_view path,
                                            std::optional<solver::FileRange> range,
                                            const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const tree::TreeRef root, TreeOf(ref, cancel));
  tree::TreeStore& trees = environment_.chains.trees();
  ASSIGN_OR_RETURN(const tree::Found found, tree::Lookup(trees, root, path, /*follow=*/true));
  if (found.entry.type != tree::Entry::Type::kFile || !found.entry.file.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "read ", path, ": is ",
        found.entry.type == tree::Entry::Type::kDirectory ? "a directory" : "no regular file"));
  }
  ASSIGN_OR_RETURN(const solver::FileRange part, ClampRange(path, found.entry.size, range));
  ASSIGN_OR_RETURN(const auto reader, trees.blobs().Open(*found.entry.file));
  return reader->ReadAt(part.offset, part.length);
}

StatusOr<std::vector<solver::FileStat>> BuildBridge::ReadDir(const solver::RefPtr& ref,
                                                             string_view path,
                                                             string_view include_pattern,
                                                             const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const tree::TreeRef root, TreeOf(ref, cancel));
  tree::TreeStore& trees = environment_.chains.trees();
  ASSIGN_OR_RETURN(const tree::Found found, tree::Lookup(trees, root, path, /*follow=*/true));
  if (found.entry.type != tree::Entry::Type::kDirectory) {
    return absl::FailedPreconditionError(absl::StrCat("read ", path, ": is no directory"));
  }
  std::vector<std::string> patterns;
  if (!include_pattern.empty()) {
    patterns.emplace_back(include_pattern);
  }
  ASSIGN_OR_RETURN(const PatternMatcher matcher, PatternMatcher::Create(patterns));
  ASSIGN_OR_RETURN(const auto directory, trees.Load(found.entry.directory->digest));
  std::vector<solver::FileStat> stats;
  for (const tree::Entry& entry : directory->entries) {
    if (matcher.empty() || matcher.Matches(entry.name)) {
      ASSIGN_OR_RETURN(solver::FileStat stat, StatOf(trees, entry));
      stats.push_back(std::move(stat));
    }
  }
  return stats;
}

StatusOr<solver::FileStat> BuildBridge::StatFile(const solver::RefPtr& ref, string_view path,
                                                 const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const tree::TreeRef root, TreeOf(ref, cancel));
  tree::TreeStore& trees = environment_.chains.trees();
  ASSIGN_OR_RETURN(const tree::Found found, tree::Lookup(trees, root, path, /*follow=*/false));
  return StatOf(trees, found.entry);
}

Status BuildBridge::Warn(solver::WarningEvent warning) {
  job_.progress().Write(std::move(warning));
  return absl::OkStatus();
}

}  // namespace cairn::control
