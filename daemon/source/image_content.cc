#include "daemon/source/image_content.h"

#include "absl/strings/str_cat.h"
#include "cache/registry/manifest.h"

namespace cairn::source {

StatusOr<std::string> RepositoryContent::FetchManifest(const registry::Descriptor& descriptor) {
  return registry_.FetchManifest(repository_, descriptor, access_);
}

Status RepositoryContent::FetchBlob(const registry::Descriptor& descriptor, fs::ByteSink& sink,
                                    const std::function<void(uint64_t)>& progress) {
  return registry_.FetchBlob(repository_, descriptor, sink, access_, progress);
}

StatusOr<std::string> RepositoryContent::FetchReferrers(const Digest& subject) {
  return registry_.FetchReferrers(repository_, subject, access_);
}

StatusOr<std::unique_ptr<LayoutContent>> LayoutContent::Open(session::SessionManager& manager,
                                                             const session::SessionGroup& sessions,
                                                             const std::string& preferred,
                                                             const std::string& store,
                                                             const Digest& image,
                                                             const CancelToken& cancel) {
  const session::SessionGroup group = preferred.empty() ? sessions : sessions.Preferring(preferred);
  std::unique_ptr<LayoutContent> content;
  RETURN_IF_ERROR_IN(
      group.Any(manager, cancel,
                [&](const std::shared_ptr<session::Session>& session) -> Status {
                  session::ContentClient client(session, absl::StrCat("oci:", store));
                  ASSIGN_OR_RETURN(const session::BlobInfo info, client.Info(image, cancel));
                  content.reset(new LayoutContent(std::move(client),
                                                  {.digest = image, .size = info.size}, cancel));
                  return absl::OkStatus();
                }),
      absl::StrCat("find image ", image.ToString(), " in the client's OCI layout ", store));
  return content;
}

StatusOr<std::string> LayoutContent::FetchManifest(const registry::Descriptor& descriptor) {
  return client_.ReadAll(descriptor.digest, registry::kMaxManifestBytes, cancel_);
}

Status LayoutContent::FetchBlob(const registry::Descriptor& descriptor, fs::ByteSink& sink,
                                const std::function<void(uint64_t)>& progress) {
  const std::string name = absl::StrCat("blob ", descriptor.digest.ToString(), " of the client");
  Hasher hasher;
  uint64_t size = 0;
  RETURN_IF_ERROR(client_.Read(
      descriptor.digest, 0, 0,
      [&](string_view data) -> Status {
        size += data.size();
        if (size > descriptor.size) {
          return absl::DataLossError(
              absl::StrCat(name, " is larger than ", descriptor.size, " bytes"));
        }
        hasher.Update(data);
        RETURN_IF_ERROR(sink.Write(data));
        if (progress) {
          progress(size);
        }
        return absl::OkStatus();
      },
      cancel_));
  if (hasher.Finish() != descriptor.digest) {
    return absl::DataLossError(absl::StrCat(name, " has other content"));
  }
  return absl::OkStatus();
}

StatusOr<std::string> LayoutContent::FetchReferrers(const Digest& subject) {
  return absl::NotFoundError(
      absl::StrCat("a client's OCI layout does not list what refers to ", subject.ToString()));
}

StatusOr<registry::ImageReference> ParseLayoutReference(string_view text) {
  const size_t at = text.rfind('@');
  if (at == string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("oci-layout reference \"", text, "\" must have digest"));
  }
  ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(text.substr(at + 1)));
  auto named = registry::ImageReference::Parse(text);
  return named.ok()
             ? named
             : registry::ImageReference::Parse(absl::StrCat("oci-layout@", digest.ToString()));
}

}  // namespace cairn::source
