#include "daemon/control/source_meta_codec.h"

#include "absl/strings/str_cat.h"
#include "daemon/control/timestamps.h"
#include "daemon/control/worker_info.h"

namespace cairn::control {
namespace {

namespace gateway = moby::buildkit::v1::frontend;

std::string AlgorithmOf(const gateway::ChecksumRequest& request) {
  switch (request.algo()) {
    case gateway::ChecksumRequest::CHECKSUM_ALGO_SHA256:
      return "sha256";
    case gateway::ChecksumRequest::CHECKSUM_ALGO_SHA384:
      return "sha384";
    case gateway::ChecksumRequest::CHECKSUM_ALGO_SHA512:
      return "sha512";
    default:
      return absl::StrCat(static_cast<int>(request.algo()));  // for the source to refuse
  }
}

void EncodeChain(const solver::AttestationChain& chain, gateway::AttestationChain* out) {
  out->set_root(chain.root.ToString());
  if (chain.image_manifest.has_value()) {
    out->set_imagemanifest(chain.image_manifest->ToString());
  }
  if (chain.attestation_manifest.has_value()) {
    out->set_attestationmanifest(chain.attestation_manifest->ToString());
  }
  for (const Digest& signature : chain.signature_manifests) {
    out->add_signaturemanifests(signature.ToString());
  }
  for (const solver::AttestationChain::Blob& blob : chain.blobs) {
    gateway::Blob& wire = (*out->mutable_blobs())[blob.digest.ToString()];
    wire.set_data(blob.data);
    gateway::Descriptor* descriptor = wire.mutable_blob_descriptor();
    descriptor->set_media_type(blob.media_type);
    descriptor->set_digest(blob.digest.ToString());
    descriptor->set_size(static_cast<int64_t>(blob.data.size()));
    descriptor->mutable_annotations()->insert(blob.annotations.begin(), blob.annotations.end());
  }
}

void EncodeHttp(const solver::SourceMeta::Http& http, gateway::ResolveSourceHTTPResponse* out) {
  out->set_checksum(http.checksum.ToString());
  out->set_filename(http.filename);
  if (http.last_modified.has_value()) {
    EncodeTime(*http.last_modified, out->mutable_lastmodified());
  }
  if (!http.suffixed_checksum.empty()) {
    out->mutable_checksumresponse()->set_digest(http.suffixed_checksum);
    out->mutable_checksumresponse()->set_suffix(http.suffix);
  }
}

}  // namespace

solver::ResolveSourceRequest DecodeSourceRequest(const gateway::ResolveSourceMetaRequest& request) {
  solver::ResolveSourceRequest out;
  out.source = request.source();
  if (request.has_platform()) {
    out.platform = DecodePlatform(request.platform());
  }
  out.mode = request.resolvemode();
  out.log_name = request.logname();
  out.no_config = request.image().noconfig();
  out.attestation_chain =
      request.image().attestationchain() || request.image().resolveattestations_size() > 0;
  out.attestations.assign(request.image().resolveattestations().begin(),
                          request.image().resolveattestations().end());
  if (request.http().has_checksumrequest()) {
    const gateway::ChecksumRequest& checksum = request.http().checksumrequest();
    out.checksum = {.algorithm = AlgorithmOf(checksum), .suffix = checksum.suffix()};
  }
  out.git_objects = request.git().returnobject();
  out.source_policies.assign(request.sourcepolicies().begin(), request.sourcepolicies().end());
  return out;
}

void EncodeSourceMeta(const solver::SourceMeta& meta,
                      gateway::ResolveSourceMetaResponse* response) {
  *response->mutable_source() = meta.source;
  if (meta.image.has_value()) {
    response->mutable_image()->set_digest(meta.image->digest.ToString());
    response->mutable_image()->set_config(meta.image->config);
  }
  if (meta.attestations.has_value()) {
    EncodeChain(*meta.attestations, response->mutable_image()->mutable_attestationchain());
  }
  if (meta.git.has_value()) {
    response->mutable_git()->set_checksum(meta.git->checksum);
    response->mutable_git()->set_ref(meta.git->ref);
    response->mutable_git()->set_commitchecksum(meta.git->commit_checksum);
    response->mutable_git()->set_commitobject(meta.git->commit_object);
    response->mutable_git()->set_tagobject(meta.git->tag_object);
  }
  if (meta.http.has_value()) {
    EncodeHttp(*meta.http, response->mutable_http());
  }
}

}  // namespace cairn::control
