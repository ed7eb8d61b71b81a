// Named contexts ("context:<name>" attributes): images, layouts, repositories, URLs, directories
// and other builds that stand in for an image or a stage.
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/build_contexts.h"
#include "daemon/frontend/dockerfile/context_files.h"
#include "daemon/frontend/dockerfile/git_reference.h"
#include "daemon/frontend/dockerfile/image_reference.h"
#include "daemon/frontend/dockerfile/sources.h"
#include "daemon/frontend/dockerfile/text.h"
#include "daemon/llb/errors.h"
#include "runtime/base/pattern.h"

namespace cairn::dockerfile {
namespace {

StatusOr<ImageConfig> ParseConfig(const std::string& json, const std::string& key) {
  const StatusOr<ImageConfig> image = ImageConfig::Parse(json);
  if (!image.ok()) {
    return Error(
        absl::StrCat("failed to parse image config for ", key, ": ", image.status().message()));
  }
  return image;
}

// The image config among an input's metadata: a JSON object of base64 values.
StatusOr<std::optional<std::string>> ConfigOfMetadata(const std::string& metadata) {
  const auto object = nlohmann::json::parse(metadata, nullptr, false);
  if (!object.is_object()) {
    return Error(absl::StrCat("failed to parse input metadata ", metadata));
  }
  const auto found = object.find("containerimage.config");
  if (found == object.end() || !found->is_string()) {
    return std::nullopt;
  }
  std::string config;
  if (!absl::Base64Unescape(found->get<std::string>(), &config)) {
    return Error(absl::StrCat("failed to parse input metadata ", metadata));
  }
  return config;
}

}  // namespace

std::optional<BuildContexts::Named> BuildContexts::FindNamed(const std::string& name,
                                                             const Platform& platform) const {
  const StatusOr<ImageReference> reference = ImageReference::Parse(name);
  if (!reference.ok()) {
    return std::nullopt;
  }
  Named named;
  named.name = std::string(absl::StripSuffix(reference->Familiar(), ":latest"));
  for (const std::string& key :
       {absl::StrCat(named.name, "::", platform.Normalized().ToString()), named.name}) {
    if (const auto found = attributes_.find(absl::StrCat("context:", key));
        found != attributes_.end()) {
      named.key = key;
      named.value = found->second;
      return named;
    }
  }
  return std::nullopt;
}

bool BuildContexts::HasNamedContext(const std::string& name, const Platform& platform) {
  return FindNamed(name, platform).has_value();
}

StatusOr<std::optional<ContextState>> BuildContexts::NamedContext(const std::string& name,
                                                                  const Platform& platform) {
  const std::optional<Named> named = FindNamed(name, platform);
  if (!named.has_value()) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(ContextState state, LoadNamed(*named, platform));
  return state;
}

StatusOr<ContextState> BuildContexts::LoadNamed(const Named& named, const Platform& platform) {
  const size_t colon = named.value.find(':');
  if (colon == std::string::npos) {
    return Error(absl::StrCat("invalid context specifier ", named.value, " for ", named.key));
  }
  const std::string kind = named.value.substr(0, colon);
  if (kind == "docker-image") {
    return LoadImage(named, platform);
  }
  if (kind == "oci-layout") {
    return LoadOciLayout(named, platform);
  }
  if (kind == "local") {
    return LoadLocal(named);
  }
  if (kind == "input") {
    return LoadInput(named);
  }
  if (kind == "git" || kind == "http" || kind == "https" || absl::StartsWith(kind, "git@")) {
    return LoadUrl(named);
  }
  return Error(absl::StrCat("unsupported context source ", kind, " for ", named.key));
}

StatusOr<ContextState> BuildContexts::LoadImage(const Named& named, const Platform& platform) {
  string_view text = named.value;
  absl::ConsumePrefix(&text, "docker-image:");
  absl::ConsumePrefix(&text, "//");
  ContextState state;
  if (text == "scratch") {
    return state;
  }
  ASSIGN_OR_RETURN(const ImageReference reference, ImageReference::Parse(text));
  const StatusOr<ResolvedImage> resolved =
      Resolve(reference.WithDefaultTag().ToString(), platform, Attribute("image-resolve-mode"),
              absl::StrCat("[context ", named.key, "] load metadata for ", text));
  if (const auto replaced = llb::ReplacedSourceOf(resolved.status()); replaced.has_value()) {
    // A policy put another kind of source in its place: "local://name" is "local:name" here.
    Named other = named;
    other.value = *replaced;
    const size_t scheme = other.value.find("://");
    if (scheme != std::string::npos && !IsHttpSource(other.value)) {
      other.value.erase(scheme + 1, 2);
    }
    return LoadNamed(other, platform);
  }
  RETURN_IF_ERROR(resolved.status());
  ASSIGN_OR_RETURN(state.image, ParseConfig(resolved->config, named.key));
  ASSIGN_OR_RETURN(ImageReference pinned, ImageReference::Parse(resolved->reference));
  if (!resolved->digest.empty()) {
    pinned.digest = resolved->digest;
  }
  state.output = ImageSource(pinned.WithDefaultTag().ToString(), platform.Normalized(), "default");
  state.output.node->SetName(absl::StrCat("[context ", named.key, "] ", text));
  return state;
}

StatusOr<ContextState> BuildContexts::LoadOciLayout(const Named& named, const Platform& platform) {
  string_view text = named.value;
  absl::ConsumePrefix(&text, "oci-layout:");
  absl::ConsumePrefix(&text, "//");
  const size_t at = text.find('@');
  if (at == string_view::npos) {
    return Error(absl::StrCat("oci-layout reference ", Quote(text), " has no digest"));
  }
  std::string store(text.substr(0, at));
  const size_t colon = store.rfind(':');
  if (colon != std::string::npos && store.find('/', colon) == std::string::npos) {
    store.resize(colon);  // a tag besides the digest
  }
  if (store.empty()) {
    return Error(absl::StrCat("could not parse oci-layout reference ", Quote(text)));
  }
  // Progress names the image by its name in the Dockerfile; the store's own name means nothing
  // there.
  ASSIGN_OR_RETURN(ImageReference shown, ImageReference::Parse(named.name));
  shown.digest = std::string(text.substr(at + 1));
  solver::ResolveImageRequest request;
  request.reference = shown.ToString();
  request.platform = platform;
  request.log_name = absl::StrCat("[context ", named.key, "] load metadata for ", shown.ToString());
  request.oci_layout = true;
  request.session_id = bridge_.session_id();
  request.store_id = store;
  ASSIGN_OR_RETURN(const solver::ImageConfig resolved,
                   bridge_.ResolveImageConfig(request, cancel_));
  ContextState state;
  ASSIGN_OR_RETURN(state.image, ParseConfig(resolved.config, named.key));
  state.output =
      OciLayoutSource(shown.ToString(), platform.Normalized(), bridge_.session_id(), store);
  state.output.node->SetName(absl::StrCat("[context ", named.key, "] OCI load from client"));
  return state;
}

StatusOr<ContextState> BuildContexts::LoadLocal(const Named& named) {
  const std::string local = named.value.substr(named.value.find(':') + 1);
  const std::string session = SessionOf(local);
  const llb::Output ignore =
      LocalSource(local, {.session_id = session,
                          .shared_key_hint = absl::StrCat("context:", named.key, "-", kIgnoreFile),
                          .follow_paths = {kIgnoreFile},
                          .exclude_patterns = {},
                          .differ_none = true});
  ignore.node->SetName(absl::StrCat("[context ", named.key, "] load ", kIgnoreFile));
  ASSIGN_OR_RETURN(const solver::RefPtr ref, SolveOutput(ignore));
  const std::string patterns =
      bridge_
          .ReadFile(ref, kIgnoreFile, solver::FileRange{.offset = 0, .length = kMaxTextFile},
                    cancel_)
          .value_or("");
  ContextState state;
  state.output = LocalSource(local, {.session_id = session,
                                     .shared_key_hint = absl::StrCat(
                                         "context:", named.key, "-",
                                         Attribute(absl::StrCat("sharedkey:localdir:", named.key))),
                                     .exclude_patterns = ReadIgnorePatterns(patterns)});
  state.output.node->SetName(absl::StrCat("[context ", named.key, "] load from client"));
  state.local = state.output.node;
  return state;
}

StatusOr<ContextState> BuildContexts::LoadInput(const Named& named) {
  const std::string key = named.value.substr(named.value.find(':') + 1);
  const auto input = inputs_.find(key);
  if (input == inputs_.end()) {
    return Error(absl::StrCat("invalid input ", key, " for ", named.key));
  }
  ASSIGN_OR_RETURN(const llb::Graph graph, llb::Graph::LoadOrScratch(input->second));
  ContextState state;
  state.output = llb::FromGraph(graph);
  const std::string metadata = Attribute(absl::StrCat("input-metadata:", key));
  if (!metadata.empty()) {
    ASSIGN_OR_RETURN(const std::optional<std::string> config, ConfigOfMetadata(metadata));
    if (config.has_value()) {
      ASSIGN_OR_RETURN(state.image, ParseConfig(*config, named.key));
    }
  }
  return state;
}

StatusOr<ContextState> BuildContexts::LoadUrl(const Named& named) {
  ContextState state;
  ASSIGN_OR_RETURN(const std::optional<GitReference> git, GitReference::Parse(named.value));
  if (git.has_value()) {
    state.output = GitSource(*git);
    state.output.node->SetName(absl::StrCat("[internal] load git source ", named.value));
    return state;
  }
  if (!IsHttpSource(named.value)) {
    return Error(absl::StrCat("invalid git context ", named.value));
  }
  state.output = HttpSource(named.value, "context", "");
  state.output.node->SetName(absl::StrCat("[context ", named.key, "] ", named.value));
  return state;
}

}  // namespace cairn::dockerfile
