#include "daemon/control/images_service.h"

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/registry/manifest.h"
#include "cache/registry/reference.h"

namespace cairn::control {
namespace {

// Whether the stored `name` is what the user wrote: a name without a tag means all its tags.
StatusOr<bool> IsNamed(const std::string& name, const std::string& written) {
  ASSIGN_OR_RETURN(const registry::ImageReference reference,
                   registry::ImageReference::Parse(written));
  const bool has_tag = written.rfind(':') != std::string::npos &&
                       written.find('/', written.rfind(':')) == std::string::npos;
  return has_tag ? name == reference.WithoutDigest().ToString()
                 : absl::StartsWith(name, absl::StrCat(reference.name(), ":"));
}

StatusOr<bool> IsWanted(const std::string& name, const cairn::v1::ListImagesRequest& request) {
  for (const std::string& written : request.names()) {
    ASSIGN_OR_RETURN(const bool named, IsNamed(name, written));
    if (named) {
      return true;
    }
  }
  return request.names().empty();
}

// Size and time of the image that `document` is the manifest of; returns its platform. `config`
// gets the digest of its config.
StatusOr<Platform> DescribeManifest(const std::string& document, blob::BlobStore& blobs,
                                    cairn::v1::Image* out, Digest* config) {
  ASSIGN_OR_RETURN(const registry::Manifest manifest, registry::ParseManifest(document));
  int64_t size = 0;
  for (const registry::Descriptor& layer : manifest.layers) {
    size += static_cast<int64_t>(layer.size);
  }
  out->set_size(size);
  *config = manifest.config.digest;
  ASSIGN_OR_RETURN(const std::string text, blobs.Read(*config));
  ASSIGN_OR_RETURN(const registry::ImageConfigInfo info, registry::ParseImageConfig(text));
  if (info.created.has_value()) {
    out->mutable_created()->set_seconds(absl::ToUnixSeconds(*info.created));
  }
  return info.platform;
}

// All platforms of an index; size and time are those of the image that would run here, if its
// manifest is stored.
Status DescribeIndex(const std::string& document, blob::BlobStore& blobs, cairn::v1::Image* out) {
  ASSIGN_OR_RETURN(const registry::Index index, registry::ParseIndex(document));
  for (const registry::Descriptor& manifest : index.manifests) {
    if (manifest.platform.has_value() && manifest.platform->os != "unknown") {
      out->add_platforms(manifest.platform->ToString());
    }
  }
  const auto chosen = registry::SelectPlatform(index, Platform::Native().front());
  if (!chosen.has_value()) {
    return absl::OkStatus();
  }
  const StatusOr<std::string> manifest = blobs.Read(chosen->digest, registry::kMaxManifestBytes);
  if (absl::IsNotFound(manifest.status())) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(manifest.status());
  Digest config = chosen->digest;
  const Status described = DescribeManifest(*manifest, blobs, out, &config).status();
  return absl::IsNotFound(described) ? absl::OkStatus() : described;
}

Status Describe(const gc::Image& image, blob::BlobStore& blobs, cairn::v1::Image* out) {
  out->set_name(image.name);
  out->set_digest(image.digest.ToString());
  out->set_media_type(image.media_type);
  out->mutable_created()->set_seconds(absl::ToUnixSeconds(image.created));
  ASSIGN_OR_RETURN(const std::string document,
                   blobs.Read(image.digest, registry::kMaxManifestBytes));
  ASSIGN_OR_RETURN(const bool is_index, registry::IsIndexDocument(image.media_type, document));
  if (is_index) {
    return DescribeIndex(document, blobs, out);
  }
  Digest config = image.digest;
  ASSIGN_OR_RETURN(const Platform platform, DescribeManifest(document, blobs, out, &config));
  out->set_config_digest(config.ToString());
  out->add_platforms(platform.ToString());
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* ImagesService::List(grpc::CallbackServerContext* context,
                                              const cairn::v1::ListImagesRequest* request,
                                              cairn::v1::ListImagesResponse* response) {
  return UnaryCall<cairn::v1::ListImagesRequest, cairn::v1::ListImagesResponse>::Start(
      threads_, context, request, response,
      [this](const CallInfo&, const cairn::v1::ListImagesRequest& wire,
             cairn::v1::ListImagesResponse* out) -> absl::Status {
        ASSIGN_OR_RETURN(const std::vector<gc::Image> images, images_.List());
        for (const gc::Image& image : images) {
          ASSIGN_OR_RETURN(const bool wanted, IsWanted(image.name, wire));
          if (wanted) {
            RETURN_IF_ERROR_IN(Describe(image, blobs_, out->add_images()), image.name);
          }
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ImagesService::Remove(grpc::CallbackServerContext* context,
                                                const cairn::v1::RemoveImageRequest* request,
                                                cairn::v1::RemoveImageResponse* response) {
  return UnaryCall<cairn::v1::RemoveImageRequest, cairn::v1::RemoveImageResponse>::Start(
      threads_, context, request, response,
      [this](const CallInfo&, const cairn::v1::RemoveImageRequest& wire,
             cairn::v1::RemoveImageResponse* out) -> absl::Status {
        ASSIGN_OR_RETURN(const registry::ImageReference reference,
                         registry::ImageReference::Parse(wire.name()));
        const std::string name = reference.WithoutDigest().ToString();
        const Status removed = images_.Remove(name);
        if (absl::IsNotFound(removed)) {
          return absl::NotFoundError(absl::StrCat("no such image: ", wire.name()));
        }
        RETURN_IF_ERROR_IN(removed, wire.name());
        out->set_name(name);
        return absl::OkStatus();
      });
}

}  // namespace cairn::control
