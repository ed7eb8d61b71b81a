#include "daemon/frontend/dockerfile/base_images.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/dispatch_parts.h"
#include "daemon/frontend/dockerfile/image_reference.h"
#include "daemon/frontend/dockerfile/sources.h"
#include "daemon/frontend/dockerfile/text.h"

namespace cairn::dockerfile {
namespace {

// Names a mistyped base may have meant, besides the file's stages.
constexpr const char* kCommonImages[] = {"alpine", "busybox", "centos", "debian",
                                         "golang", "ubuntu",  "fedora"};

std::vector<std::string> Suggestions(std::vector<std::string> names) {
  for (const char* image : kCommonImages) {
    names.emplace_back(image);
    names.push_back(absl::StrCat(image, ":latest"));
  }
  return names;
}

void TakeContext(const ContextState& context, StageState& stage) {
  stage.output = context.output;
  stage.local = context.local;
  if (context.image.has_value()) {
    stage.image = *context.image;
    stage.image.created.clear();
  }
}

// The stage as a whole is replaced by a context of its name.
Status ResolveReplacedStage(const DispatchContext& context, StageState& stage) {
  const Platform platform = stage.platform.value_or(context.target_platform);
  ASSIGN_OR_RETURN(const std::optional<ContextState> found,
                   context.options.contexts->NamedContext(stage.stage.name, platform));
  stage.is_dispatched = true;
  if (!found.has_value()) {
    return Error(absl::StrCat("context ", stage.stage.name, " not found"));
  }
  TakeContext(*found, stage);
  stage.environment = Environment::FromList(stage.image.env);
  stage.working_dir = stage.image.working_dir;
  stage.platform = platform;
  if (!stage.image.platform.architecture.empty() && !stage.image.platform.os.empty()) {
    stage.platform = stage.image.platform;
  }
  return absl::OkStatus();
}

bool IsReservedContext(const std::string& name) {
  return absl::EqualsIgnoreCase(name, "scratch") || absl::EqualsIgnoreCase(name, "context");
}

// The platform an image turned out to have, when none was asked for and it can be run here.
Platform DetectPlatform(const DispatchContext& context, const StageState& stage,
                        const Platform& wanted) {
  if (stage.platform.has_value() || !context.implicit_target) {
    return wanted;
  }
  const Platform& actual = stage.image.platform;
  if (wanted.os == actual.os && wanted.architecture == actual.architecture) {
    return wanted;
  }
  for (const Platform& platform : context.options.build_platforms) {
    if (platform.os == actual.os && platform.architecture == actual.architecture) {
      return platform;
    }
  }
  return wanted;
}

// An image without layers is as good as scratch.
bool HasNoLayers(const ImageConfig& image) {
  return image.diff_ids.empty() &&
         std::all_of(image.history.begin(), image.history.end(),
                     [](const HistoryEntry& entry) { return entry.empty_layer; });
}

Status ResolveImage(const DispatchContext& context, const std::vector<std::string>& names,
                    const Platform& wanted, StageState& stage) {
  const std::string written = stage.stage.base;
  const BuildOptions& options = context.options.build;
  const StatusOr<ImageReference> parsed = ImageReference::Parse(written);
  if (!parsed.ok()) {
    return Error(absl::StrCat("failed to parse stage name ", Quote(written), ": ",
                              parsed.status().message()));
  }
  ImageReference reference = *parsed;
  const std::string name = reference.WithDefaultTag().ToString();
  stage.stage.base = name;
  if (context.options.contexts != nullptr && !IsReservedContext(written)) {
    ASSIGN_OR_RETURN(const std::optional<ContextState> found,
                     context.options.contexts->NamedContext(name, wanted));
    if (found.has_value()) {
      TakeContext(*found, stage);
      if (!found->image.has_value()) {
        stage.image = ImageConfig::Empty(wanted);
      }
      stage.base_image = stage.image;
      stage.platform = wanted;
      return absl::OkStatus();
    }
  }
  const std::string log_name =
      absl::StrCat("[", options.multi_platform ? absl::StrCat(wanted.ToString(), " ") : "",
                   "internal] load metadata for ", name);
  const StatusOr<ResolvedImage> resolved =
      context.options.resolver->Resolve(name, wanted, options.image_resolve_mode, log_name);
  if (!resolved.ok()) {
    const Status failed =
        Annotate(resolved.status(), absl::StrCat("failed to resolve source metadata for ", name));
    return WithSuggestion(Annotate(failed, written), written, Suggestions(names), true);
  }
  if (!resolved->reference.empty() && resolved->reference != name) {
    const StatusOr<ImageReference> replaced = ImageReference::Parse(resolved->reference);
    if (!replaced.ok()) {
      return Error(absl::StrCat("failed to parse ref ", Quote(resolved->reference), ": ",
                                replaced.status().message()));
    }
    reference = *replaced;
  }
  const StatusOr<ImageConfig> image = ImageConfig::Parse(resolved->config);
  if (!image.ok()) {
    return Error(absl::StrCat("failed to parse image config: ", image.status().message()));
  }
  stage.image = *image;
  stage.base_image = *image;
  stage.image.created.clear();
  const Platform platform = DetectPlatform(context, stage, wanted);
  if (!resolved->digest.empty()) {
    reference.digest = resolved->digest;
  }
  reference = reference.WithDefaultTag();
  stage.stage.base = reference.ToString();
  if (!HasNoLayers(stage.image)) {
    stage.output = ImageSource(stage.stage.base, platform.Normalized(), options.image_resolve_mode);
    llb::Node& node = *stage.output.node;
    (*node.metadata.mutable_description())["com.docker.dockerfile.v1.command"] = stage.stage.code;
    node.SetName(VertexTitle(stage, absl::StrCat("FROM ", stage.stage.base), options.multi_platform,
                             platform, Environment()));
    SetLocation(context, node, stage.stage.location);
  }
  stage.platform = platform;
  return absl::OkStatus();
}

}  // namespace

Status ResolveBase(const DispatchContext& context, const std::vector<std::string>& names,
                   StageState& stage) {
  const Status status =
      stage.has_named_context
          ? ResolveReplacedStage(context, stage)
          : ResolveImage(context, names, stage.platform.value_or(context.target_platform), stage);
  if (stage.is_unregistered) {
    stage.is_dispatched = true;
  }
  return WithLocation(status, stage.stage.location);
}

void StartFromScratch(const DispatchContext& context, StageState& stage) {
  stage.output = llb::Output();
  stage.image = ImageConfig::Empty(context.target_platform);
  stage.platform = context.target_platform;
  if (stage.is_unregistered) {
    stage.is_dispatched = true;
  }
}

}  // namespace cairn::dockerfile
