// What vouches for an image: found in its index, and behind its registry's referrers.
#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "cache/registry/manifest.h"
#include "daemon/source/image_resolver.h"

namespace cairn::source {
namespace {

constexpr char kReferenceType[] = "vnd.docker.reference.type";
constexpr char kReferenceDigest[] = "vnd.docker.reference.digest";
constexpr char kAttestationManifest[] = "attestation-manifest";
constexpr char kPredicateType[] = "in-toto.io/predicate-type";
constexpr char kSigstoreBundle[] = "application/vnd.dev.sigstore.bundle.v0.3+json";
constexpr char kCosignSignature[] = "application/vnd.dev.cosign.artifact.sig.v1+json";
// A chain goes to the client in one message.
constexpr size_t kMaxChainBytes = 12 << 20;

const registry::Descriptor* FindAttestation(const registry::Index& index, const Digest& image) {
  for (const registry::Descriptor& entry : index.manifests) {
    const auto type = entry.annotations.find(kReferenceType);
    const auto about = entry.annotations.find(kReferenceDigest);
    if (type != entry.annotations.end() && type->second == kAttestationManifest &&
        about != entry.annotations.end() && about->second == image.ToString()) {
      return &entry;
    }
  }
  return nullptr;
}

// The signature to verify with: a bundle before anything else.
const registry::Descriptor* FindSignature(const registry::Index& referrers) {
  for (const char* type : {kSigstoreBundle, kCosignSignature}) {
    for (const registry::Descriptor& entry : referrers.manifests) {
      if (entry.artifact_type == type) {
        return &entry;
      }
    }
  }
  return nullptr;
}

Status AddBlob(const registry::Descriptor& descriptor, std::string data,
               solver::AttestationChain* chain) {
  size_t total = data.size();
  for (const solver::AttestationChain::Blob& blob : chain->blobs) {
    if (blob.digest == descriptor.digest) {
      return absl::OkStatus();
    }
    total += blob.data.size();
  }
  if (total > kMaxChainBytes) {
    return absl::ResourceExhaustedError("attestations of more than 12 MiB");
  }
  chain->blobs.push_back(
      {descriptor.media_type, descriptor.digest, descriptor.annotations, std::move(data)});
  return absl::OkStatus();
}

}  // namespace

StatusOr<std::string> ImageResolver::AddChainManifest(ImageContent& content,
                                                      const registry::Descriptor& descriptor,
                                                      solver::AttestationChain* chain) {
  ASSIGN_OR_RETURN(std::string document, LoadManifest(content, descriptor));
  RETURN_IF_ERROR(AddBlob(descriptor, document, chain));
  return document;
}

Status ImageResolver::AddSignature(ImageContent& content, solver::AttestationChain* chain) {
  const auto referrers = content.FetchReferrers(*chain->attestation_manifest);
  if (absl::IsNotFound(referrers.status())) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR_IN(referrers.status(), "fetch referrers");
  ASSIGN_OR_RETURN(const registry::Index index, registry::ParseIndex(*referrers));
  const registry::Descriptor* signature = FindSignature(index);
  if (signature == nullptr) {
    return absl::OkStatus();
  }
  chain->signature_manifests = {signature->digest};
  ASSIGN_OR_RETURN(const std::string text, AddChainManifest(content, *signature, chain));
  ASSIGN_OR_RETURN(const registry::Manifest manifest, registry::ParseManifest(text));
  for (const registry::Descriptor& layer : manifest.layers) {
    ASSIGN_OR_RETURN(std::string data, LoadBlob(content, layer));
    RETURN_IF_ERROR(AddBlob(layer, std::move(data), chain));
  }
  return absl::OkStatus();
}

StatusOr<std::optional<solver::AttestationChain>> ImageResolver::ResolveAttestations(
    const std::string& reference, const Platform& platform, const std::string& mode,
    const std::vector<std::string>& predicate_types, const registry::Access& access) {
  ASSIGN_OR_RETURN(const registry::ImageReference parsed,
                   registry::ImageReference::Parse(reference));
  ASSIGN_OR_RETURN_IN(const Located located, Locate(parsed, mode, access), parsed.ToString());
  RepositoryContent content(registry_, parsed, access);
  return ResolveAttestationsIn(content, parsed, located.descriptor, platform, predicate_types);
}

StatusOr<std::optional<solver::AttestationChain>> ImageResolver::ResolveAttestationsIn(
    ImageContent& content, const registry::ImageReference& name, registry::Descriptor top,
    const Platform& platform, const std::vector<std::string>& predicate_types) {
  const std::string context = name.ToString();
  ASSIGN_OR_RETURN_IN(const std::string text, LoadManifest(content, top), context);
  ASSIGN_OR_RETURN_IN(const bool is_index, registry::IsIndexDocument(top.media_type, text),
                      context);
  if (!is_index) {
    return std::optional<solver::AttestationChain>();
  }
  ASSIGN_OR_RETURN_IN(const registry::Index index, registry::ParseIndex(text), context);
  top.media_type = index.media_type.empty() ? registry::media_type::kOciIndex : index.media_type;
  solver::AttestationChain chain{.root = top.digest};
  RETURN_IF_ERROR(AddBlob(top, text, &chain));
  const std::optional<registry::Descriptor> image = registry::SelectPlatform(index, platform);
  if (!image.has_value()) {
    return absl::NotFoundError(
        absl::StrCat(context, ": no match for platform ", platform.ToString(), " in manifest"));
  }
  chain.image_manifest = image->digest;
  const registry::Descriptor* attestation = FindAttestation(index, image->digest);
  if (attestation == nullptr) {
    return std::optional(std::move(chain));
  }
  chain.attestation_manifest = attestation->digest;
  ASSIGN_OR_RETURN_IN(const std::string manifest_text,
                      AddChainManifest(content, *attestation, &chain), context);
  RETURN_IF_ERROR_IN(AddSignature(content, &chain), context);
  ASSIGN_OR_RETURN_IN(const registry::Manifest manifest, registry::ParseManifest(manifest_text),
                      context);
  const std::set<std::string> wanted(predicate_types.begin(), predicate_types.end());
  for (const registry::Descriptor& layer : manifest.layers) {
    const auto type = layer.annotations.find(kPredicateType);
    if (type != layer.annotations.end() && wanted.count(type->second) > 0) {
      ASSIGN_OR_RETURN_IN(std::string data, LoadBlob(content, layer), context);
      RETURN_IF_ERROR_IN(AddBlob(layer, std::move(data), &chain), context);
    }
  }
  gc::RecordDraft record{
      .identity = absl::StrCat("attestations:", top.digest.hex(), ":", image->digest.hex()),
      .description = "attestations of " + name.Familiar()};
  for (const solver::AttestationChain::Blob& blob : chain.blobs) {
    record.blobs.push_back(blob.digest);
  }
  RETURN_IF_ERROR(ledger_.Add(record));
  return std::optional(std::move(chain));
}

}  // namespace cairn::source
