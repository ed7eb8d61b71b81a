#include "daemon/source/source_factory.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
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
                                        .ledger = stores_.ledger});
  }
  if (scheme == "docker-image") {
    return ImageSource::Create(*vertex.op, {.sessions = stores_.sessions,
                                            .chains = stores_.chains,
                                            .database = stores_.database,
                                            .ledger = stores_.ledger,
                                            .registry = stores_.registry,
                                            .resolver = resolver_});
  }
  if (scheme == "docker-image+blob") {
    return BlobSource::Create(
        source,
        {.sessions = stores_.sessions, .chains = stores_.chains, .registry = stores_.registry});
  }
  if (scheme == "http" || scheme == "https") {
    return HttpSource::Create(source, HttpStores());
  }
  return UnknownScheme(source.identifier());
}

HttpSourceStores SourceFactory::HttpStores() const {
  return {.sessions = stores_.sessions,
          .chains = stores_.chains,
          .database = stores_.database,
          .http = stores_.http};
}

StatusOr<solver::ImageConfig> SourceFactory::ResolveImageConfig(
    const solver::ResolveImageRequest& request, const session::SessionGroup& sessions,
    const CancelToken& cancel) {
  if (request.oci_layout) {
    return UnknownScheme("oci-layout://" + request.reference);
  }
  SessionCredentials credentials(stores_.sessions, sessions);
  ASSIGN_OR_RETURN(ResolvedImage image,
                   resolver_.Resolve(request.reference, request.platform.value_or(Platform::Host()),
                                     request.mode.empty() ? "default" : request.mode,
                                     {.credentials = credentials, .cancel = cancel}));
  return solver::ImageConfig{.reference = image.reference.ToString(),
                             .digest = image.top,
                             .config = std::move(image.config)};
}

StatusOr<solver::SourceMeta> SourceFactory::ResolveSourceMeta(
    const solver::ResolveSourceRequest& request, const session::SessionGroup& sessions,
    solver::BuildMemory& build, const CancelToken& cancel) {
  solver::SourceMeta meta{.source = request.source};
  const std::string& identifier = request.source.identifier();
  const std::string scheme = SchemeOf(identifier);
  if (scheme == "http" || scheme == "https") {
    ASSIGN_OR_RETURN(const auto http, HttpSource::Create(request.source, HttpStores()));
    ASSIGN_OR_RETURN(HttpFile file, http->Resolve(sessions, build, cancel));
    meta.http = solver::SourceMeta::Http{
        .checksum = file.digest, .filename = file.name, .last_modified = file.modified};
    if (request.checksum.has_value()) {
      meta.http->suffix = request.checksum->suffix;
      ASSIGN_OR_RETURN(
          meta.http->suffixed_checksum,
          http->ChecksumOf(file, request.checksum->algorithm, meta.http->suffix, sessions, cancel));
    }
    return meta;
  }
  if (scheme != "docker-image") {
    return UnknownScheme(identifier);
  }
  const std::string reference(absl::StripPrefix(identifier, "docker-image://"));
  ASSIGN_OR_RETURN(meta.image,
                   ResolveImageConfig(
                       {.reference = reference, .platform = request.platform, .mode = request.mode},
                       sessions, cancel));
  if (request.no_config) {
    meta.image->config.clear();
  }
  if (request.attestation_chain) {
    SessionCredentials credentials(stores_.sessions, sessions);
    ASSIGN_OR_RETURN(meta.attestations,
                     resolver_.ResolveAttestations(
                         reference, request.platform.value_or(Platform::Host()),
                         request.mode.empty() ? "default" : request.mode, request.attestations,
                         {.credentials = credentials, .cancel = cancel}));
  }
  // As it is named in the build, which its digest is not part of.
  meta.source.set_identifier(NormalizedSource(identifier));
  return meta;
}

}  // namespace cairn::source
