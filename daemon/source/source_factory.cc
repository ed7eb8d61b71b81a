#include "daemon/source/source_factory.h"

#include "absl/strings/str_cat.h"
#include "daemon/source/blob_source.h"
#include "daemon/source/session_credentials.h"
#include "daemon/source/source_policy.h"
#include "proto/ops.pb.h"

namespace cairn::source {
namespace {

std::string SchemeOf(const std::string& identifier) {
  return identifier.substr(0, identifier.find("://"));
}

Status UnknownScheme(const std::string& identifier) {
  return absl::UnimplementedError(
      absl::StrCat("source \"", identifier, "\": this daemon has no source of that kind"));
}

}  // namespace

SourceFactory::SourceFactory(SourceStores stores)
    : stores_(stores),
      resolver_(stores.registry, stores.images, stores.chains.trees().blobs(), stores.database,
                stores.ledger) {}

StatusOr<std::unique_ptr<solver::Op>> SourceFactory::MakeOp(const llb::Vertex& vertex) {
  const pb::SourceOp& source = vertex.op->source();
  const std::string scheme = SchemeOf(source.identifier());
  if (scheme == "local") {
    return LocalSource::Create(source, {.sessions = stores_.sessions,
                                        .chains = stores_.chains,
                                        .database = stores_.database,
                                        .ledger = stores_.ledger,
                                        .marked = marked_});
  }
  if (scheme == "docker-image" || scheme == "oci-layout") {
    return ImageSource::Create(*vertex.op, {.sessions = stores_.sessions,
                                            .chains = stores_.chains,
                                            .database = stores_.database,
                                            .ledger = stores_.ledger,
                                            .registry = stores_.registry,
                                            .resolver = resolver_});
  }
  if (scheme == "docker-image+blob" || scheme == "oci-layout+blob") {
    return BlobSource::Create(
        source,
        {.sessions = stores_.sessions, .chains = stores_.chains, .registry = stores_.registry});
  }
  if (scheme == "http" || scheme == "https") {
    return HttpSource::Create(source, HttpStores());
  }
  if (scheme == "git") {
    return GitSource::Create(source, GitStores());
  }
  return UnknownScheme(source.identifier());
}

GitSourceStores SourceFactory::GitStores() const {
  return {.sessions = stores_.sessions,
          .chains = stores_.chains,
          .snapshots = stores_.snapshots,
          .ledger = stores_.ledger,
          .repositories = stores_.repositories,
          .sockets = stores_.sockets};
}

HttpSourceStores SourceFactory::HttpStores() const {
  return {.sessions = stores_.sessions,
          .chains = stores_.chains,
          .database = stores_.database,
          .http = stores_.http};
}

StatusOr<SourceFactory::LayoutImage> SourceFactory::OpenLayout(
    const solver::ResolveImageRequest& request, const session::SessionGroup& sessions,
    const CancelToken& cancel) {
  ASSIGN_OR_RETURN(registry::ImageReference reference, ParseLayoutReference(request.reference));
  ASSIGN_OR_RETURN(auto content,
                   LayoutContent::Open(stores_.sessions, sessions, request.session_id,
                                       request.store_id, *reference.digest(), cancel));
  return LayoutImage{.reference = std::move(reference), .content = std::move(content)};
}

StatusOr<ResolvedImage> SourceFactory::ResolveLayoutImage(
    const solver::ResolveImageRequest& request, const session::SessionGroup& sessions,
    const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const LayoutImage image, OpenLayout(request, sessions, cancel));
  return resolver_.ResolveIn(*image.content, image.reference, image.content->image(),
                             request.platform.value_or(Platform::Host()));
}

StatusOr<solver::ImageConfig> SourceFactory::ResolveImageConfig(
    const solver::ResolveImageRequest& request, const session::SessionGroup& sessions,
    const CancelToken& cancel) {
  SessionCredentials credentials(stores_.sessions, sessions);
  ASSIGN_OR_RETURN(
      ResolvedImage image,
      request.oci_layout
          ? ResolveLayoutImage(request, sessions, cancel)
          : resolver_.Resolve(request.reference, request.platform.value_or(Platform::Host()),
                              request.mode.empty() ? "default" : request.mode,
                              {.credentials = credentials, .cancel = cancel}));
  return solver::ImageConfig{.reference = image.reference.ToString(),
                             .digest = image.top,
                             .config = std::move(image.config)};
}

StatusOr<std::optional<solver::AttestationChain>> SourceFactory::ResolveAttestations(
    const solver::ResolveImageRequest& request, const std::vector<std::string>& predicate_types,
    const session::SessionGroup& sessions, const CancelToken& cancel) {
  const Platform platform = request.platform.value_or(Platform::Host());
  if (request.oci_layout) {
    ASSIGN_OR_RETURN(const LayoutImage image, OpenLayout(request, sessions, cancel));
    return resolver_.ResolveAttestationsIn(*image.content, image.reference, image.content->image(),
                                           platform, predicate_types);
  }
  SessionCredentials credentials(stores_.sessions, sessions);
  return resolver_.ResolveAttestations(
      request.reference, platform, request.mode.empty() ? "default" : request.mode, predicate_types,
      {.credentials = credentials, .cancel = cancel});
}

StatusOr<solver::SourceMeta::Http> SourceFactory::ResolveHttpMeta(
    const solver::ResolveSourceRequest& request, const session::SessionGroup& sessions,
    solver::BuildMemory& build, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const auto http, HttpSource::Create(request.source, HttpStores()));
  ASSIGN_OR_RETURN(HttpFile file, http->Resolve(sessions, build, cancel));
  solver::SourceMeta::Http meta{
      .checksum = file.digest, .filename = file.name, .last_modified = file.modified};
  if (request.checksum.has_value()) {
    meta.suffix = request.checksum->suffix;
    ASSIGN_OR_RETURN(meta.suffixed_checksum, http->ChecksumOf(file, request.checksum->algorithm,
                                                              meta.suffix, sessions, cancel));
  }
  return meta;
}

StatusOr<solver::SourceMeta::Git> SourceFactory::ResolveGitMeta(
    const solver::ResolveSourceRequest& request, const session::SessionGroup& sessions,
    solver::BuildMemory& build, const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const auto git, GitSource::Create(request.source, GitStores()));
  ASSIGN_OR_RETURN(GitTarget target, git->Resolve(sessions, build, nullptr, cancel));
  GitObjects objects;
  if (request.git_objects) {
    ASSIGN_OR_RETURN(objects, git->ReadObjects(target, sessions, cancel));
  }
  return solver::SourceMeta::Git{.checksum = std::move(target.object),
                                 .ref = std::move(target.ref),
                                 .commit_checksum = std::move(target.commit),
                                 .commit_object = std::move(objects.commit),
                                 .tag_object = std::move(objects.tag)};
}

StatusOr<solver::SourceMeta> SourceFactory::ResolveSourceMeta(
    const solver::ResolveSourceRequest& request, const session::SessionGroup& sessions,
    solver::BuildMemory& build, const CancelToken& cancel) {
  solver::SourceMeta meta{.source = request.source};
  const std::string& identifier = request.source.identifier();
  const std::string scheme = SchemeOf(identifier);
  if (scheme == "http" || scheme == "https") {
    ASSIGN_OR_RETURN(meta.http, ResolveHttpMeta(request, sessions, build, cancel));
    return meta;
  }
  if (scheme == "git") {
    ASSIGN_OR_RETURN(meta.git, ResolveGitMeta(request, sessions, build, cancel));
    return meta;
  }
  const bool layout = scheme == "oci-layout";
  if (!layout && scheme != "docker-image") {
    return UnknownScheme(identifier);
  }
  solver::ResolveImageRequest image{.reference = identifier.substr(scheme.size() + 3),
                                    .platform = request.platform,
                                    .mode = request.mode,
                                    .oci_layout = layout};
  if (layout) {
    const auto& attributes = request.source.attrs();
    const auto session = attributes.find("oci.session");
    const auto store = attributes.find("oci.store");
    image.session_id = session == attributes.end() ? "" : session->second;
    image.store_id = store == attributes.end() ? "" : store->second;
  }
  ASSIGN_OR_RETURN(meta.image, ResolveImageConfig(image, sessions, cancel));
  if (request.no_config) {
    meta.image->config.clear();
  }
  if (request.attestation_chain) {
    ASSIGN_OR_RETURN(meta.attestations,
                     ResolveAttestations(image, request.attestations, sessions, cancel));
  }
  // As it is named in the build, which its digest is not part of.
  meta.source.set_identifier(NormalizedSource(identifier));
  return meta;
}

}  // namespace cairn::source
