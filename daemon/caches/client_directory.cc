#include "daemon/caches/client_directory.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/registry/manifest.h"
#include "daemon/session/content_client.h"

namespace cairn::caches {
namespace {

// Calls `use` with the store `store_id` of the first session that answers. The id travels in a
// header.
Status WithStore(session::SessionManager& sessions, const session::SessionGroup& group,
                 const std::string& store_id, const CancelToken& cancel,
                 const std::function<Status(const session::ContentClient&)>& use) {
  const bool printable =
      std::all_of(store_id.begin(), store_id.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
  if (!printable) {
    return absl::InvalidArgumentError(
        "header key \"buildkit-attachable-store-id\" contains value with non-printable ASCII "
        "characters");
  }
  return group.Any(sessions, cancel,
                   [&](const std::shared_ptr<session::Session>& session) -> Status {
                     return use(session::ContentClient(session, store_id));
                   });
}

}  // namespace

StatusOr<registry::Descriptor> DirectorySource::Resolve(const CancelToken& cancel) {
  registry::Descriptor descriptor{.media_type = "", .digest = digest_};
  RETURN_IF_ERROR(WithStore(
      sessions_, group_, store_id_, cancel, [&](const session::ContentClient& store) -> Status {
        ASSIGN_OR_RETURN(const session::BlobInfo info, store.Info(digest_, cancel));
        descriptor.size = info.size;
        return absl::OkStatus();
      }));
  return descriptor;
}

StatusOr<std::string> DirectorySource::ReadManifest(const registry::Descriptor& descriptor,
                                                    const CancelToken& cancel) {
  std::string document;
  RETURN_IF_ERROR(WithStore(
      sessions_, group_, store_id_, cancel, [&](const session::ContentClient& store) -> Status {
        ASSIGN_OR_RETURN(document,
                         store.ReadAll(descriptor.digest, registry::kMaxManifestBytes, cancel));
        return absl::OkStatus();
      }));
  return document;
}

Status DirectorySource::Fetch(const registry::Descriptor& descriptor, fs::ByteSink& sink,
                              const CancelToken& cancel) {
  bool started = false;
  return WithStore(
      sessions_, group_, store_id_, cancel, [&](const session::ContentClient& store) -> Status {
        if (started) {  // the sink has had bytes of another session
          return absl::UnknownError("the transfer of the blob broke off");
        }
        fs::HashingSink hashing(sink);
        RETURN_IF_ERROR(store.Read(
            descriptor.digest, 0, 0,
            [&](string_view data) {
              started = true;
              return hashing.Write(data);
            },
            cancel));
        const Digest digest = hashing.FinishDigest();
        if (digest != descriptor.digest) {
          return absl::DataLossError(
              absl::StrCat("blob ", descriptor.digest.ToString(), " is ", digest.ToString()));
        }
        return absl::OkStatus();
      });
}

Status DirectoryTarget::PutBlob(const registry::Descriptor& descriptor, const std::string&,
                                const Open& open, const CancelToken& cancel) {
  return WithStore(
      sessions_, group_, store_id_, cancel, [&](const session::ContentClient& store) -> Status {
        const auto produce = [&](const std::function<Status(string_view)>& write) -> Status {
          ASSIGN_OR_RETURN(const std::unique_ptr<fs::ByteSource> source, open());
          std::string buffer(256 << 10, '\0');
          ASSIGN_OR_RETURN(size_t got, source->Read(buffer.data(), buffer.size()));
          while (got > 0) {
            RETURN_IF_ERROR(write(string_view(buffer.data(), got)));
            ASSIGN_OR_RETURN(got, source->Read(buffer.data(), buffer.size()));
          }
          return absl::OkStatus();
        };
        return store.Write(descriptor.digest, descriptor.size, {}, produce, cancel);
      });
}

Status DirectoryTarget::PutManifest(const registry::Descriptor& descriptor,
                                    const std::string& document, const CancelToken& cancel) {
  return PutBlob(
      descriptor, "",
      [&document]() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
        return std::make_unique<fs::StringSource>(document);
      },
      cancel);
}

}  // namespace cairn::caches
