#include "daemon/provenance/capture.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cache/registry/reference.h"
#include "daemon/llb/graph.h"
#include "runtime/net/url.h"

namespace cairn::provenance {
namespace {

constexpr char kContext[] = "context";
constexpr char kContextKey[] = "contextkey";
constexpr string_view kOfThisHost[] = {"cache-imports", "cgroup-parent", "image-resolve-mode",
                                       "platform"};

void AddGrant(std::vector<Grant>& grants, const Grant& grant) {
  for (Grant& known : grants) {
    if (known.id == grant.id) {
      known.optional = known.optional && grant.optional;
      return;
    }
  }
  grants.push_back(grant);
}

std::optional<Platform> PlatformOf(const pb::Op& op) {
  if (!op.has_platform()) {
    return std::nullopt;
  }
  return Platform{.os = op.platform().os(),
                  .architecture = op.platform().architecture(),
                  .variant = op.platform().variant(),
                  .os_version = op.platform().osversion()};
}

std::string NormalReference(const std::string& text) {
  const auto reference = registry::ImageReference::Parse(text);
  return reference.ok() ? reference->ToString() : text;
}

std::string Attribute(const pb::SourceOp& source, const std::string& name) {
  const auto found = source.attrs().find(name);
  return found == source.attrs().end() ? "" : found->second;
}

void CaptureGit(const pb::SourceOp& source, const std::string& pin, Capture* out) {
  // "git://host/path#ref:directory"; the attribute has the URL as the user wrote it.
  string_view identifier = source.identifier();
  absl::ConsumePrefix(&identifier, "git://");
  const size_t hash = identifier.find('#');
  string_view fragment = hash == string_view::npos ? "" : identifier.substr(hash + 1);
  fragment = fragment.substr(0, fragment.find(':'));
  std::string url = Attribute(source, "git.fullurl");
  if (url.empty()) {
    url = absl::StrCat("https://", identifier.substr(0, hash));
  }
  if (!fragment.empty()) {
    absl::StrAppend(&url, "#", fragment);
  }
  out->AddGit({std::move(url), pin});
  for (const char* name : {"git.authtokensecret", "git.authheadersecret"}) {
    const std::string id = Attribute(source, name);
    if (!id.empty()) {
      out->AddSecret({id, true});
    }
  }
  const std::string socket = Attribute(source, "git.mountsshsock");
  if (!socket.empty()) {
    out->AddSsh({socket, true});
  }
}

void CaptureSource(const pb::Op& op, const std::string& pin, Capture* out) {
  const pb::SourceOp& source = op.source();
  string_view name = source.identifier();
  if (absl::ConsumePrefix(&name, "local://")) {
    out->AddLocal(std::string(name));
    return;
  }
  if (pin.empty()) {
    return;
  }
  if (absl::StartsWith(name, "git://")) {
    CaptureGit(source, pin, out);
    return;
  }
  const StatusOr<Digest> digest = Digest::Parse(pin);
  if (!digest.ok()) {
    return;
  }
  const bool layout_blob = absl::ConsumePrefix(&name, "oci-layout+blob://");
  if (layout_blob || absl::ConsumePrefix(&name, "docker-image+blob://")) {
    out->AddImage(
        {.reference = std::string(name), .digest = *digest, .local = layout_blob, .blob = true});
    return;
  }
  const bool layout = absl::ConsumePrefix(&name, "oci-layout://");
  if (layout || absl::ConsumePrefix(&name, "docker-image://")) {
    out->AddImage({std::string(name), PlatformOf(op), *digest, layout});
  } else if (absl::StartsWith(name, "http")) {
    out->AddHttp({std::string(name), *digest});
  }
}

void CaptureExec(const pb::ExecOp& exec, Capture* out) {
  for (const pb::Mount& mount : exec.mounts()) {
    if (mount.mounttype() == pb::MountType::SECRET) {
      out->AddSecret({mount.secretopt().id(), mount.secretopt().optional()});
    } else if (mount.mounttype() == pb::MountType::SSH) {
      out->AddSsh({mount.sshopt().id(), mount.sshopt().optional()});
    }
  }
  for (const pb::SecretEnv& secret : exec.secretenv()) {
    out->AddSecret({secret.id(), secret.optional()});
  }
  out->network_access = out->network_access || exec.network() != pb::NetMode::NONE;
}

}  // namespace

void Capture::AddImage(ImageMaterial image) {
  image.reference = NormalReference(image.reference);
  for (const ImageMaterial& known : images) {
    if (known.reference == image.reference && known.local == image.local &&
        known.blob == image.blob && known.platform == image.platform) {
      return;
    }
  }
  images.push_back(std::move(image));
}

void Capture::AddGit(GitMaterial material) {
  material.url = net::RedactCredentials(material.url);
  for (const GitMaterial& known : git) {
    if (known.url == material.url) {
      return;
    }
  }
  git.push_back(std::move(material));
}

void Capture::AddHttp(HttpMaterial material) {
  material.url = net::RedactCredentials(material.url);
  for (const HttpMaterial& known : http) {
    if (known.url == material.url) {
      return;
    }
  }
  http.push_back(std::move(material));
}

void Capture::AddLocal(const std::string& name) {
  if (std::find(locals.begin(), locals.end(), name) == locals.end()) {
    locals.push_back(name);
  }
}

void Capture::AddSecret(const Grant& grant) { AddGrant(secrets, grant); }

void Capture::AddSsh(Grant grant) {
  if (grant.id.empty()) {
    grant.id = "default";
  }
  AddGrant(ssh, grant);
}

void Capture::Merge(const Capture& other) {
  for (const ImageMaterial& image : other.images) {
    AddImage(image);
  }
  for (const GitMaterial& material : other.git) {
    AddGit(material);
  }
  for (const HttpMaterial& material : other.http) {
    AddHttp(material);
  }
  for (const std::string& name : other.locals) {
    AddLocal(name);
  }
  for (const Grant& grant : other.secrets) {
    AddSecret(grant);
  }
  for (const Grant& grant : other.ssh) {
    AddSsh(grant);
  }
  network_access = network_access || other.network_access;
  incomplete_materials = incomplete_materials || other.incomplete_materials;
}

bool Request::operator==(const Request& other) const {
  return frontend == other.frontend && arguments == other.arguments &&
         std::equal(inputs.begin(), inputs.end(), other.inputs.begin(), other.inputs.end(),
                    [](const auto& a, const auto& b) {
                      return a.first == b.first && (a.second == b.second || *a.second == *b.second);
                    });
}

void Capture::Normalize() {
  std::set<std::string> tagged;
  std::vector<ImageMaterial> kept;
  for (const ImageMaterial& image : images) {
    const auto reference = registry::ImageReference::Parse(image.reference);
    if (reference.ok() && !reference->digest().has_value()) {
      tagged.insert(image.reference);
    }
  }
  for (ImageMaterial& image : images) {
    const auto reference = registry::ImageReference::Parse(image.reference);
    const bool known_by_tag = reference.ok() && reference->digest().has_value() &&
                              tagged.count(reference->WithoutDigest().ToString()) > 0;
    if (!known_by_tag) {
      kept.push_back(std::move(image));
    }
  }
  images = std::move(kept);
  std::stable_sort(images.begin(), images.end(),
                   [](const auto& a, const auto& b) { return a.reference < b.reference; });
  const auto by_url = [](const auto& a, const auto& b) { return a.url < b.url; };
  const auto by_id = [](const auto& a, const auto& b) { return a.id < b.id; };
  std::sort(git.begin(), git.end(), by_url);
  std::sort(http.begin(), http.end(), by_url);
  std::sort(locals.begin(), locals.end());
  std::sort(secrets.begin(), secrets.end(), by_id);
  std::sort(ssh.begin(), ssh.end(), by_id);
}

StatusOr<Capture> CaptureDefinition(const pb::Definition& definition,
                                    const std::map<Digest, solver::SolvedVertex>& solved) {
  Capture capture;
  ASSIGN_OR_RETURN(const llb::Graph graph, llb::Graph::LoadOrScratch(definition));
  for (const auto& vertex : graph.vertices()) {
    const auto found = solved.find(vertex->digest);
    if (found == solved.end()) {
      continue;
    }
    if (vertex->op->has_source()) {
      CaptureSource(*vertex->op, found->second.pin, &capture);
    } else if (vertex->op->has_exec()) {
      CaptureExec(vertex->op->exec(), &capture);
    } else if (vertex->op->has_build()) {
      capture.incomplete_materials = true;  // the graph inside is not seen here
    }
  }
  return capture;
}

std::map<std::string, std::string> FilterArguments(
    const std::map<std::string, std::string>& options) {
  const auto named = options.find(kContextKey);
  const std::string context =
      named == options.end() || named->second.empty() ? kContext : named->second;
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : options) {
    const bool of_this_host =
        std::find(std::begin(kOfThisHost), std::end(kOfThisHost), key) != std::end(kOfThisHost);
    if (of_this_host || absl::StartsWith(key, "attest:")) {
      continue;
    }
    const bool is_url = key == context || absl::StartsWith(key, absl::StrCat(kContext, ":"));
    out[key] = is_url ? net::RedactCredentials(value) : value;
  }
  return out;
}

}  // namespace cairn::provenance
