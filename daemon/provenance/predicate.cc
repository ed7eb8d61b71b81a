#include "daemon/provenance/predicate.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cache/registry/reference.h"
#include "daemon/provenance/build_config.h"
#include "daemon/provenance/package_url.h"
#include "runtime/base/platform.h"
#include "runtime/net/url.h"

namespace cairn::provenance {
namespace {

using Json = nlohmann::ordered_json;
using Arguments = std::map<std::string, std::string>;

constexpr char kBuildTypeV1[] =
    "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
constexpr char kBuildTypeV02[] = "https://mobyproject.org/buildkit@v1";
constexpr char kDockerfileFrontend[] = "dockerfile.v0";

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

Json DigestSet(const Digest& digest) { return {{"sha256", digest.hex()}}; }

Json CommitSet(const std::string& commit) {
  return {{commit.size() == 64 ? "sha256" : "sha1", commit}};
}

Json Materials(const Capture& capture) {
  Json out = Json::array();
  for (const ImageMaterial& image : capture.images) {
    const auto reference = registry::ImageReference::Parse(image.reference);
    if (!reference.ok()) {
      continue;
    }
    std::string uri = ImagePackageUrl(image.local ? "oci" : "docker", *reference, image.platform);
    if (image.blob) {
      absl::StrAppend(&uri, "&ref_type=blob");  // behind its digest
    }
    Json material = {{"uri", std::move(uri)}};
    if (image.digest.has_value()) {
      material["digest"] = DigestSet(*image.digest);
    }
    out.push_back(std::move(material));
  }
  for (const GitMaterial& git : capture.git) {
    out.push_back({{"uri", git.url}, {"digest", CommitSet(git.commit)}});
  }
  for (const HttpMaterial& http : capture.http) {
    out.push_back({{"uri", http.url}, {"digest", DigestSet(http.digest)}});
  }
  return out;
}

struct ConfigSource {
  std::string uri;
  Json digest;
  std::string path;
};

// "https://host/repository.git#ref:directory" without the directory: what is fetched.
std::string WithoutDirectory(const std::string& url) {
  const size_t hash = url.find('#');
  if (hash == std::string::npos) {
    return url;
  }
  const size_t colon = url.find(':', hash);
  std::string out = url.substr(0, colon);
  return absl::EndsWith(out, "#") ? out.substr(0, hash) : out;
}

// Where the Dockerfile came from: taken out of the arguments, as it is said apart.
ConfigSource TakeConfigSource(const Capture& capture, Arguments& arguments) {
  ConfigSource source;
  std::string key = "context";
  const auto named = arguments.find("contextkey");
  if (named != arguments.end() && !named->second.empty()) {
    key = named->second;
  } else if (arguments.count("input:context") > 0) {
    key = "input:context";
  }
  const auto context = arguments.find(key);
  if (context != arguments.end() && !context->second.empty()) {
    const std::string& url = context->second;
    for (const GitMaterial& git : capture.git) {
      if (git.url == WithoutDirectory(url)) {
        source.digest = CommitSet(git.commit);
      }
    }
    for (const HttpMaterial& http : capture.http) {
      if (http.url == url) {
        source.digest = DigestSet(http.digest);
      }
    }
    source.uri = net::RedactCredentials(url);
    arguments.erase(context);
  }
  const auto file = arguments.find("filename");
  if (file != arguments.end() && !file->second.empty()) {
    source.path = file->second;
    arguments.erase(file);
  }
  return source;
}

// What the client says of the repository that the context is in, taken out of the arguments.
Json TakeRepository(Arguments& arguments) {
  Json repository = Json::object();
  for (auto it = arguments.begin(); it != arguments.end();) {
    string_view name = it->first;
    if (!absl::ConsumePrefix(&name, "vcs:")) {
      ++it;
      continue;
    }
    if (!it->second.empty()) {
      repository[std::string(name)] =
          name == "source" ? net::RedactCredentials(it->second) : it->second;
    }
    it = arguments.erase(it);
  }
  return repository;
}

// Takes out what mode=min does not tell; whether there was any.
bool RemovePrivate(Arguments& arguments) {
  return std::erase_if(arguments, [](const auto& argument) {
           return absl::StartsWith(argument.first, "build-arg:") ||
                  absl::StartsWith(argument.first, "label:");
         }) > 0;
}

Json GrantsJson(const std::vector<Grant>& grants) {
  Json out = Json::array();
  for (const Grant& grant : grants) {
    Json item = {{"id", grant.id}};
    if (grant.optional) {
      item["optional"] = true;
    }
    out.push_back(std::move(item));
  }
  return out;
}

void SetUnlessEmpty(Json& out, const char* key, Json value) {
  if (!value.empty()) {
    out[key] = std::move(value);
  }
}

Json ConfigSourceJson(const ConfigSource& source, const char* path_key) {
  Json out = Json::object();
  SetUnlessEmpty(out, "uri", source.uri.empty() ? Json() : Json(source.uri));
  SetUnlessEmpty(out, "digest", source.digest);
  SetUnlessEmpty(out, path_key, source.path.empty() ? Json() : Json(source.path));
  return out;
}

// A request other than the one that is told about; `told_less` becomes true when something is left
// out of it.
Json OtherRequestJson(const Request& other, const PredicateInput& input, bool* told_less) {
  Arguments arguments = other.arguments;
  const ConfigSource source = TakeConfigSource(input.capture, arguments);
  TakeRepository(arguments);
  if (!input.options.max && RemovePrivate(arguments)) {
    *told_less = true;
  }
  Json request = Json::object();
  SetUnlessEmpty(request, "frontend", other.frontend.empty() ? Json() : Json(other.frontend));
  SetUnlessEmpty(request, "args", Json(arguments));
  Json inputs = Json::object();
  for (const auto& [name, producer] : other.inputs) {
    inputs[name] = OtherRequestJson(*producer, input, told_less);
  }
  SetUnlessEmpty(request, "inputs", std::move(inputs));
  return {{"configSource", ConfigSourceJson(source, "path")}, {"request", std::move(request)}};
}

// Whether a request asks for nothing but where the build's files are: a client's that names no
// frontend and makes the requests for one itself.
bool AsksForNothing(const Request& request, const Capture& capture) {
  Arguments arguments = request.arguments;
  TakeConfigSource(capture, arguments);
  return request.frontend.empty() && arguments.empty() && request.inputs.empty();
}

Json RequestJson(const PredicateInput& input, const Arguments& arguments, bool* told_less) {
  const Capture& capture = input.capture;
  Json request = Json::object();
  if (!capture.request.frontend.empty()) {
    request["frontend"] = capture.request.frontend;
  }
  SetUnlessEmpty(request, "args", Json(arguments));
  if (input.options.max) {
    SetUnlessEmpty(request, "secrets", GrantsJson(capture.secrets));
    SetUnlessEmpty(request, "ssh", GrantsJson(capture.ssh));
  }
  Json locals = Json::array();
  for (const std::string& name : capture.locals) {
    locals.push_back({{"name", name}});
  }
  SetUnlessEmpty(request, "locals", std::move(locals));
  Json inputs = Json::object();
  for (const auto& [name, producer] : capture.request.inputs) {
    inputs[name] = OtherRequestJson(*producer, input, told_less);
  }
  SetUnlessEmpty(request, "inputs", std::move(inputs));
  if (capture.root != nullptr && !AsksForNothing(*capture.root, capture)) {
    request["root"] = OtherRequestJson(*capture.root, input, told_less);
  }
  if (input.compatibility_version != 0) {
    request["compatibilityVersion"] = input.compatibility_version;
  }
  return request;
}

Json StepsJson(const BuildConfig& config) {
  Json steps = Json::array();
  for (const std::string& step : config.steps) {
    steps.push_back(Json::parse(step, nullptr, /*allow_exceptions=*/false));
  }
  return steps;
}

Json MappingJson(const BuildConfig& config) {
  Json mapping = Json::object();
  for (const auto& [digest, index] : config.indexes) {
    mapping[digest.ToString()] = absl::StrCat("step", index);
  }
  return mapping;
}

Json ConfigJson(const BuildConfig& config) {
  Json out = Json::object();
  SetUnlessEmpty(out, "llbDefinition", StepsJson(config));
  SetUnlessEmpty(out, "digestMapping", MappingJson(config));
  return out;
}

// The files that the graph was read from, and which lines made which step.
StatusOr<Json> SourceJson(const pb::Definition& definition, const BuildConfig& config) {
  Json locations = Json::object();
  for (const auto& [digest, index] : config.indexes) {
    const auto found = definition.source().locations().find(digest.ToString());
    if (found != definition.source().locations().end()) {
      locations[absl::StrCat("step", index)] =
          Json::parse(MessageJson(found->second), nullptr, /*allow_exceptions=*/false);
    }
  }
  Json infos = Json::array();
  for (const pb::SourceInfo& info : definition.source().infos()) {
    ASSIGN_OR_RETURN(const BuildConfig made, MakeBuildConfig(info.definition()));
    pb::SourceInfo plain = info;
    plain.clear_definition();
    Json item = Json::parse(MessageJson(plain), nullptr, /*allow_exceptions=*/false);
    item.update(ConfigJson(made));
    infos.push_back(std::move(item));
  }
  Json source = Json::object();
  SetUnlessEmpty(source, "locations", std::move(locations));
  SetUnlessEmpty(source, "infos", std::move(infos));
  return source;
}

Json LayersJson(const PredicateInput& input, const BuildConfig& config) {
  Json out = Json::object();
  for (const auto& [vertex, outputs] : input.layers) {
    const auto step = config.indexes.find(vertex);
    for (size_t i = 0; step != config.indexes.end() && i < outputs.size(); ++i) {
      Json descriptors = Json::array();
      for (const layer::LayerBlob& layer : outputs[i]) {
        descriptors.push_back({{"mediaType", layer.media_type},
                               {"digest", layer.digest.ToString()},
                               {"size", layer.size}});
      }
      if (!descriptors.empty()) {
        out[absl::StrCat("step", step->second, ":", i)] = Json::array({std::move(descriptors)});
      }
    }
  }
  return out;
}

// What both versions tell, each in its own words.
struct Parts {
  Json materials;
  ConfigSource config_source;
  Json request;
  bool request_complete = false;
  bool materials_complete = false;
  bool hermetic = false;
  Json metadata = Json::object();  // BuildKit's own
  Json config = Json::object();
  Json custom = Json::object();
};

StatusOr<Parts> Collect(const PredicateInput& input) {
  const Capture& capture = input.capture;
  Parts parts;
  Arguments arguments = capture.request.arguments;
  parts.materials = Materials(capture);
  parts.config_source = TakeConfigSource(capture, arguments);
  SetUnlessEmpty(parts.metadata, "vcs", TakeRepository(arguments));
  bool told_less = !input.options.max && RemovePrivate(arguments);
  parts.request = RequestJson(input, arguments, &told_less);
  parts.request_complete = !capture.request.frontend.empty() && !told_less;
  parts.materials_complete = !capture.incomplete_materials && capture.locals.empty();
  parts.hermetic = parts.materials_complete && !capture.network_access;
  if (input.options.max && input.definition != nullptr) {
    ASSIGN_OR_RETURN(const BuildConfig config, MakeBuildConfig(*input.definition));
    parts.config = ConfigJson(config);
    if (input.definition->source().infos_size() > 0) {
      ASSIGN_OR_RETURN(parts.metadata["source"], SourceJson(*input.definition, config));
    }
    SetUnlessEmpty(parts.metadata, "layers", LayersJson(input, config));
  }
  if (!input.custom_environment.empty()) {
    parts.custom = Json::parse(input.custom_environment, nullptr, /*allow_exceptions=*/false);
    if (!parts.custom.is_object()) {
      return absl::InvalidArgumentError("the operator's provenance environment is no JSON object");
    }
  }
  return parts;
}

Status CheckComplete(const PredicateInput& input, const Parts& parts) {
  if (!input.options.complete_materials || parts.materials_complete) {
    return absl::OkStatus();
  }
  std::string message =
      "provenance materials are incomplete\n\nThe build requested complete provenance materials, "
      "but not all dependencies could be captured.";
  if (!input.capture.locals.empty()) {
    absl::StrAppend(&message, "\n\nUncaptured local sources:");
    for (const std::string& name : input.capture.locals) {
      absl::StrAppend(&message, "\n  - ", name.empty() ? "<unnamed>" : name,
                      "\n    reason: local_source");
    }
  }
  return absl::FailedPreconditionError(message);
}

std::string HostPlatform() { return Platform::Host().Normalized().ToString(); }

bool TellsDockerfileVersion(const PredicateInput& input) {
  return input.capture.request.frontend == kDockerfileFrontend && !input.dockerfile_version.empty();
}

Json MakeV1(const PredicateInput& input, Parts parts) {
  Json internal = Json::object();
  SetUnlessEmpty(internal, "buildConfig", std::move(parts.config));
  internal["builderPlatform"] = HostPlatform();
  if (TellsDockerfileVersion(input)) {
    internal["dockerfileVersion"] = input.dockerfile_version;
  }
  internal.update(parts.custom);

  Json definition = {{"buildType", kBuildTypeV1}};
  SetUnlessEmpty(definition, "resolvedDependencies", std::move(parts.materials));
  definition["externalParameters"] = {
      {"configSource", ConfigSourceJson(parts.config_source, "path")},
      {"request", std::move(parts.request)}};
  definition["internalParameters"] = std::move(internal);

  Json metadata = {{"invocationId", input.invocation_id},
                   {"startedOn", TimeText(input.started)},
                   {"finishedOn", TimeText(input.finished)},
                   {"buildkit_metadata", std::move(parts.metadata)}};
  if (parts.hermetic) {
    metadata["buildkit_hermetic"] = true;
  }
  metadata["buildkit_completeness"] = {{"request", parts.request_complete},
                                       {"resolvedDependencies", parts.materials_complete}};
  if (input.options.reproducible) {
    metadata["buildkit_reproducible"] = true;
  }
  return {{"buildDefinition", std::move(definition)},
          {"runDetails",
           {{"builder", {{"id", input.options.builder_id}}}, {"metadata", std::move(metadata)}}}};
}

Json MakeV02(const PredicateInput& input, Parts parts) {
  Json environment = {{"platform", HostPlatform()}};
  if (TellsDockerfileVersion(input)) {
    environment["dockerfileVersion"] = input.dockerfile_version;
  }
  environment.update(parts.custom);

  Json metadata = {{"buildInvocationID", input.invocation_id},
                   {"buildStartedOn", TimeText(input.started)},
                   {"buildFinishedOn", TimeText(input.finished)},
                   {"completeness",
                    {{"parameters", parts.request_complete},
                     {"environment", true},
                     {"materials", parts.materials_complete}}},
                   {"reproducible", input.options.reproducible},
                   {absl::StrCat(kBuildTypeV02, "#metadata"), std::move(parts.metadata)}};
  if (parts.hermetic) {
    metadata[absl::StrCat(kBuildTypeV02, "#hermetic")] = true;
  }

  Json out = {{"builder", {{"id", input.options.builder_id}}}, {"buildType", kBuildTypeV02}};
  SetUnlessEmpty(out, "materials", std::move(parts.materials));
  out["invocation"] = {{"configSource", ConfigSourceJson(parts.config_source, "entryPoint")},
                       {"parameters", std::move(parts.request)},
                       {"environment", std::move(environment)}};
  SetUnlessEmpty(out, "buildConfig", std::move(parts.config));
  out["metadata"] = std::move(metadata);
  return out;
}

}  // namespace

std::string PredicateType(SlsaVersion version) {
  return version == SlsaVersion::kV1 ? "https://slsa.dev/provenance/v1"
                                     : "https://slsa.dev/provenance/v0.2";
}

StatusOr<std::string> MakePredicate(const PredicateInput& input) {
  ASSIGN_OR_RETURN(Parts parts, Collect(input));
  RETURN_IF_ERROR(CheckComplete(input, parts));
  const Json predicate = input.options.version == SlsaVersion::kV1
                             ? MakeV1(input, std::move(parts))
                             : MakeV02(input, std::move(parts));
  return predicate.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace cairn::provenance
