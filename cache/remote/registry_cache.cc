#include "cache/remote/registry_cache.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace cairn::remote {

StatusOr<registry::Descriptor> RegistrySource::Resolve(const CancelToken& cancel) {
  const auto credentials = credentials_();
  return client_.Resolve(reference_,
                         {.credentials = *credentials, .cancel = cancel, .insecure = insecure_});
}

StatusOr<std::string> RegistrySource::ReadManifest(const registry::Descriptor& descriptor,
                                                   const CancelToken& cancel) {
  const auto credentials = credentials_();
  return client_.FetchManifest(
      reference_, descriptor,
      {.credentials = *credentials, .cancel = cancel, .insecure = insecure_});
}

Status RegistrySource::Fetch(const registry::Descriptor& descriptor, fs::ByteSink& sink,
                             const CancelToken& cancel) {
  const auto credentials = credentials_();
  return client_.FetchBlob(reference_, descriptor, sink,
                           {.credentials = *credentials, .cancel = cancel, .insecure = insecure_});
}

Status RegistryTarget::PutBlob(const registry::Descriptor& descriptor, const std::string& origin,
                               const Open& open, const CancelToken& cancel) {
  registry::RegistryClient::BlobUpload upload{.descriptor = descriptor, .open = open};
  // A blob that came from the same registry need not travel.
  string_view repository = origin;
  if (absl::ConsumePrefix(&repository, absl::StrCat(reference_.host(), "/"))) {
    upload.mount_from = std::string(repository);
  }
  const auto credentials = credentials_();
  return client_
      .PushBlob(reference_, upload,
                {.credentials = *credentials, .cancel = cancel, .insecure = insecure_})
      .status();
}

Status RegistryTarget::PutManifest(const registry::Descriptor& descriptor,
                                   const std::string& document, const CancelToken& cancel) {
  const auto credentials = credentials_();
  return client_.PushManifest(
      reference_, descriptor, document,
      {.credentials = *credentials, .cancel = cancel, .insecure = insecure_});
}

}  // namespace cairn::remote
