#include "daemon/frontend/dockerfile/dockerfile_frontend.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/frontend/dockerfile/build_contexts.h"
#include "daemon/frontend/dockerfile/converter.h"
#include "daemon/frontend/dockerfile/directives.h"
#include "daemon/frontend/dockerfile/image_reference.h"
#include "daemon/frontend/dockerfile/sbom_scan.h"
#include "daemon/frontend/dockerfile/subrequests.h"
#include "daemon/llb/errors.h"

namespace cairn::dockerfile {
namespace {

using Attributes = std::map<std::string, std::string>;

constexpr char kGateway[] = "gateway.v0";
constexpr char kSyntaxArgument[] = "build-arg:BUILDKIT_SYNTAX";

pb::SourceInfo ToMessage(const llb::SourceFile& file) {
  pb::SourceInfo info;
  info.set_filename(file.filename);
  info.set_language(file.language);
  info.set_data(file.data);
  if (file.definition != nullptr) {
    *info.mutable_definition() = *file.definition;
  }
  return info;
}

pb::Range ToMessage(const Range& range) {
  pb::Range message;
  message.mutable_start()->set_line(range.start.line);
  message.mutable_start()->set_character(range.start.character);
  message.mutable_end()->set_line(range.end.line);
  message.mutable_end()->set_character(range.end.character);
  return message;
}

// `status` with its lines of the Dockerfile as details that clients print.
Status WithSources(const Status& status, const llb::SourceFile& file) {
  Status detailed = status;
  for (const Ranges& location : LocationsOf(status)) {
    errdefs::Source source;
    *source.mutable_info() = ToMessage(file);
    for (const Range& range : location) {
      *source.add_ranges() = ToMessage(range);
    }
    detailed = llb::WithSource(detailed, source);
  }
  return detailed;
}

// Checks "frontend.caps". A capability with "+forward" may be unknown here: the image that the file
// names may have it; then `may_forward` is set beside the error.
Status CheckCapabilities(const std::string& requested, bool& may_forward) {
  Status status;
  may_forward = false;
  for (const string_view request : absl::StrSplit(requested, ',', absl::SkipEmpty())) {
    const std::string name(request.substr(0, request.find('+')));
    if (name == "moby.buildkit.frontend.inputs" || name == "moby.buildkit.frontend.subrequests" ||
        name == "moby.buildkit.frontend.contexts" ||
        name == "moby.buildkit.frontend.gitquerystring") {
      continue;
    }
    status = llb::WithFrontendCap(
        absl::UnimplementedError(absl::StrCat("unsupported frontend capability ", name)), name);
    may_forward = absl::StrContains(request, "+forward");
    if (!may_forward) {
      return status;
    }
  }
  return status;
}

// Whether `reference` names the image of this very frontend, of any version.
bool IsBuiltIn(const std::string& reference) {
  const StatusOr<ImageReference> image = ImageReference::Parse(reference);
  return image.ok() && image->domain == "docker.io" &&
         (image->path == "docker/dockerfile" || image->path == "docker/dockerfile-upstream");
}

// One request being served.
class Request {
 public:
  Request(solver::Bridge& bridge, const solver::FrontendRequest& request, const CancelToken& cancel)
      : bridge_(bridge), request_(request), attributes_(request.options), cancel_(cancel) {}

  StatusOr<solver::FrontendResult> Run() {
    ASSIGN_OR_RETURN(options_, BuildOptions::Parse(attributes_));
    bool may_forward = false;
    const Status capabilities = CheckCapabilities(Attribute("frontend.caps"), may_forward);
    if (!capabilities.ok() && !may_forward) {
      return capabilities;
    }
    ASSIGN_OR_RETURN(contexts_, BuildContexts::Create(bridge_, request_, cancel_));
    ASSIGN_OR_RETURN(entrypoint_, contexts_->ReadDockerfile());
    StatusOr<std::optional<solver::FrontendResult>> forwarded = MaybeForward();
    RETURN_IF_ERROR(forwarded.status());
    if (forwarded->has_value()) {
      return *std::move(*forwarded);
    }
    RETURN_IF_ERROR(capabilities);
    StatusOr<solver::FrontendResult> result =
        attributes_.count("requestid") > 0 ? Answer(Attribute("requestid")) : Build();
    if (!result.ok()) {
      return WithSources(result.status(), *entrypoint_.file);
    }
    return result;
  }

 private:
  std::string Attribute(const std::string& key) const {
    const auto found = attributes_.find(key);
    return found == attributes_.end() ? "" : found->second;
  }

  // Hands the request to the image that the file asks for, unless that is this frontend.
  StatusOr<std::optional<solver::FrontendResult>> MaybeForward() {
    if (attributes_.count("cmdline") > 0) {
      return std::nullopt;  // already forwarded once
    }
    const std::string argument(absl::StripAsciiWhitespace(Attribute(kSyntaxArgument)));
    std::optional<SyntaxRequest> syntax;
    if (!argument.empty()) {
      syntax = SyntaxRequest{argument.substr(0, argument.find(' ')), argument, {}};
    } else {
      syntax = DetectSyntax(entrypoint_.file->data);
    }
    if (!syntax.has_value() || IsBuiltIn(syntax->reference)) {
      return std::nullopt;
    }
    solver::SolveRequest forward;
    forward.frontend = kGateway;
    forward.request.options = attributes_;
    forward.request.options["cmdline"] = syntax->command_line;
    forward.request.options["source"] = syntax->reference;
    forward.request.inputs = request_.inputs.empty() ? bridge_.inputs() : request_.inputs;
    StatusOr<solver::FrontendResult> result = bridge_.Solve(forward, cancel_);
    if (result.ok()) {
      return *std::move(result);
    }
    if (!llb::SourcesOf(result.status()).empty()) {
      return result.status();
    }
    if (!argument.empty()) {
      return Annotate(result.status(),
                      absl::StrCat("failed with ", kSyntaxArgument, " = ", argument));
    }
    return WithSources(SetLocation(result.status(), syntax->location), *entrypoint_.file);
  }

  ConvertOptions MakeOptions(const std::optional<Platform>& platform) {
    ConvertOptions options;
    options.build = options_;
    options.target_platform = platform;
    options.build_platforms = {bridge_.platforms().empty() ? Platform::Host()
                                                           : bridge_.platforms().front()};
    options.source = entrypoint_.file;
    options.resolver = contexts_.get();
    options.contexts = contexts_.get();
    return options;
  }

  void Warn(const LintWarning& warning) {
    solver::WarningEvent event{.vertex = entrypoint_.vertex.value_or(Digest::Of(""))};
    event.short_text = absl::StrCat(warning.rule->name, ": ", warning.message);
    if (!warning.location.empty()) {
      absl::StrAppend(&event.short_text, " (line ", warning.location[0].start.line, ")");
    }
    event.detail = {warning.rule->description};
    event.url = warning.rule->url;
    event.info = ToMessage(*entrypoint_.file);
    for (const Range& range : warning.location) {
      event.ranges.push_back(ToMessage(range));
    }
    // A warning that cannot be shown must not fail the build.
    bridge_.Warn(std::move(event)).IgnoreError();
  }

  std::optional<Platform> FirstPlatform() const {
    return options_.target_platforms.empty()
               ? std::nullopt
               : std::optional<Platform>(options_.target_platforms.front());
  }

  StatusOr<solver::FrontendResult> Answer(const std::string& request) {
    solver::FrontendResult result;
    ConvertOptions options = MakeOptions(FirstPlatform());
    if (request == "frontend.subrequests.describe") {
      result.metadata = DescribeSubrequests();
    } else if (request == "frontend.targets") {
      ASSIGN_OR_RETURN(result.metadata, ListTargets(entrypoint_.file->data));
    } else if (request == "frontend.outline") {
      ASSIGN_OR_RETURN(const Converted converted, Convert(entrypoint_.file->data, options));
      result.metadata = DescribeOutline(converted.outline, entrypoint_.file->data);
    } else if (request == "frontend.lint") {
      std::vector<LintWarning> warnings;
      options.warn = [&](const LintWarning& warning) { warnings.push_back(warning); };
      options.all_stages = options.build.target.empty();
      const Status status = Convert(entrypoint_.file->data, options).status();
      result.metadata = DescribeWarnings(warnings, status, *entrypoint_.file);
    } else if (request == "frontend.convertllb") {
      ASSIGN_OR_RETURN(const Converted converted, Convert(entrypoint_.file->data, options));
      ASSIGN_OR_RETURN(result.metadata, DescribeDefinition(llb::Marshal(converted.output)));
    } else {
      return llb::WithSubrequest(
          absl::UnimplementedError(absl::StrCat("unsupported request ", request)), request);
    }
    return result;
  }

  // What one platform's build comes to.
  struct PlatformBuild {
    Platform platform;
    std::string id;
    Converted converted;
    solver::RefPtr ref;
    solver::RefPtr scan;
    Status status;
  };

  StatusOr<solver::FrontendResult> Build() {
    std::vector<std::optional<Platform>> platforms(options_.target_platforms.begin(),
                                                   options_.target_platforms.end());
    if (platforms.empty()) {
      platforms.emplace_back();
    }
    if (options_.sbom.has_value()) {
      ASSIGN_OR_RETURN(scanner_, SbomScanner::Resolve(*options_.sbom,
                                                      MakeOptions(std::nullopt).build_platforms[0],
                                                      options_.image_resolve_mode, *contexts_));
    }
    std::vector<PlatformBuild> builds(platforms.size());
    std::vector<std::thread> threads;  // joined below
    for (size_t i = 1; i < platforms.size(); ++i) {
      threads.emplace_back(
          [&, i] { builds[i].status = BuildPlatform(platforms[i], false, builds[i]); });
    }
    builds[0].status = BuildPlatform(platforms[0], true, builds[0]);
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (const PlatformBuild& build : builds) {
      RETURN_IF_ERROR(build.status);
    }
    return Collect(builds);
  }

  Status BuildPlatform(const std::optional<Platform>& platform, bool warns, PlatformBuild& build) {
    ConvertOptions options = MakeOptions(platform);
    if (warns) {
      // Other platforms would only repeat the same warnings.
      options.warn = [this](const LintWarning& warning) { Warn(warning); };
    }
    ASSIGN_OR_RETURN(build.converted, Convert(entrypoint_.file->data, options));
    build.platform = platform.value_or(Platform::Host()).Normalized();
    build.id = build.platform.ToString();
    ASSIGN_OR_RETURN(build.ref, SolveOutput(build.converted.output));
    if (scanner_.has_value()) {
      ASSIGN_OR_RETURN(build.scan, SolveOutput(scanner_->Scan(build.id, build.converted.output,
                                                              build.converted.scan_extras,
                                                              build.converted.ignores_cache)));
    }
    return absl::OkStatus();
  }

  StatusOr<solver::RefPtr> SolveOutput(const llb::Output& output) {
    if (output.is_scratch()) {
      return solver::RefPtr();
    }
    solver::SolveRequest request;
    request.definition = llb::Marshal(output);
    ASSIGN_OR_RETURN(const solver::FrontendResult result, bridge_.Solve(request, cancel_));
    return result.ref.value_or(nullptr);
  }

  solver::FrontendResult Collect(const std::vector<PlatformBuild>& builds) const {
    solver::FrontendResult result;
    nlohmann::ordered_json platforms = {{"Platforms", nlohmann::ordered_json::array()}};
    for (const PlatformBuild& build : builds) {
      const std::string suffix = options_.multi_platform ? absl::StrCat("/", build.id) : "";
      if (options_.multi_platform) {
        result.refs[build.id] = build.ref;
      } else {
        result.ref = build.ref;
      }
      result.metadata["containerimage.config" + suffix] = build.converted.image.ToJson();
      if (build.converted.base_image.has_value()) {
        result.metadata["containerimage.base.config" + suffix] =
            build.converted.base_image->ToJson();
      }
      if (build.converted.epoch.has_value()) {
        result.metadata["source.date.epoch" + suffix] =
            absl::StrCat(absl::ToUnixSeconds(*build.converted.epoch));
      }
      if (scanner_.has_value()) {
        result.attestations[build.id].push_back(SbomAttestation(build.scan));
      }
      nlohmann::ordered_json platform = {{"architecture", build.platform.architecture},
                                         {"os", build.platform.os}};
      if (!build.platform.os_version.empty()) {
        platform["os.version"] = build.platform.os_version;
      }
      if (!build.platform.variant.empty()) {
        platform["variant"] = build.platform.variant;
      }
      platforms["Platforms"].push_back({{"ID", build.id}, {"Platform", platform}});
    }
    result.metadata["refs.platforms"] = platforms.dump();
    return result;
  }

  solver::Bridge& bridge_;
  const solver::FrontendRequest& request_;
  const Attributes& attributes_;
  const CancelToken& cancel_;
  BuildOptions options_;
  std::unique_ptr<BuildContexts> contexts_;
  Entrypoint entrypoint_;
  std::optional<SbomScanner> scanner_;
};

}  // namespace

StatusOr<solver::FrontendResult> DockerfileFrontend::Solve(solver::Bridge& bridge,
                                                           const solver::FrontendRequest& request,
                                                           const CancelToken& cancel) {
  return Request(bridge, request, cancel).Run();
}

}  // namespace cairn::dockerfile
