#include "client/image_layout.h"

#include <fcntl.h>
#include <grpcpp/grpcpp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/content.grpc.pb.h"
#include "runtime/base/digest.h"
#include "runtime/base/fd.h"

namespace cairn::client {
namespace {

namespace content = containerd::services::content::v1;
using nlohmann::ordered_json;

constexpr char kStoreHeader[] = "buildkit-attachable-store-id";
constexpr char kImages[] = "oci:";  // names of layouts that only hold named contexts
constexpr char kImageName[] = "io.containerd.image.name";
constexpr char kRefName[] = "org.opencontainers.image.ref.name";
constexpr char kIndexType[] = "application/vnd.oci.image.index.v1+json";
constexpr uint64_t kPiece = 1 << 20;

std::string BlobDirectory(const std::string& layout) {
  return absl::StrCat(layout, "/blobs/sha256");
}

std::string BlobPath(const std::string& layout, const Digest& digest) {
  return absl::StrCat(BlobDirectory(layout), "/", digest.hex());
}

StatusOr<content::Info> InfoOf(const std::string& layout, const Digest& digest) {
  struct stat there {};
  if (::stat(BlobPath(layout, digest).c_str(), &there) != 0) {
    return absl::NotFoundError(absl::StrCat("blob ", digest.ToString(), ": not found"));
  }
  content::Info info;
  info.set_digest(digest.ToString());
  info.set_size(there.st_size);
  return info;
}

using WriteStream =
    grpc::ServerReaderWriter<content::WriteContentResponse, content::WriteContentRequest>;

// One Write call: pieces in order into a temporary file, which becomes the blob when its content
// has the digest expected.
class BlobReceiver {
 public:
  BlobReceiver(std::string layout, std::string temporary)
      : layout_(std::move(layout)), temporary_(std::move(temporary)) {}
  ~BlobReceiver() { ::unlink(temporary_.c_str()); }
  BlobReceiver(const BlobReceiver&) = delete;
  BlobReceiver& operator=(const BlobReceiver&) = delete;

  Status Run(WriteStream& stream) {
    content::WriteContentRequest request;
    while (stream.Read(&request)) {
      if (!request.expected().empty()) {
        ASSIGN_OR_RETURN(expected_, Digest::Parse(request.expected()));
      }
      if (expected_.has_value() && InfoOf(layout_, *expected_).ok()) {
        return absl::AlreadyExistsError(
            absl::StrCat("blob ", expected_->ToString(), " exists already"));
      }
      RETURN_IF_ERROR(Take(request));
      content::WriteContentResponse response;
      response.set_action(request.action());
      response.set_offset(static_cast<int64_t>(offset_));
      if (request.action() == content::COMMIT) {
        ASSIGN_OR_RETURN(const Digest digest, Commit());
        response.set_digest(digest.ToString());
      }
      stream.Write(response);
      if (request.action() == content::COMMIT) {
        return absl::OkStatus();
      }
    }
    return absl::UnavailableError("the daemon ended the transfer of a blob");
  }

 private:
  Status Take(const content::WriteContentRequest& request) {
    if (request.data().empty()) {
      return absl::OkStatus();
    }
    if (request.offset() != static_cast<int64_t>(offset_)) {
      return absl::InvalidArgumentError(
          absl::StrCat("write at ", request.offset(), ", expected ", offset_));
    }
    RETURN_IF_ERROR(OpenFile());
    RETURN_IF_ERROR(Annotate(WriteAll(file_.get(), request.data()), layout_));
    hasher_.Update(request.data());
    offset_ += request.data().size();
    return absl::OkStatus();
  }

  StatusOr<Digest> Commit() {
    RETURN_IF_ERROR(OpenFile());
    const Digest digest = hasher_.Finish();
    if (expected_.has_value() && digest != *expected_) {
      return absl::DataLossError(absl::StrCat("blob ", expected_->ToString(),
                                              " came with the content of ", digest.ToString()));
    }
    file_.Reset();
    if (::rename(temporary_.c_str(), BlobPath(layout_, digest).c_str()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("write ", BlobPath(layout_, digest)));
    }
    return digest;
  }

  Status OpenFile() {
    if (file_.valid()) {
      return absl::OkStatus();
    }
    std::error_code error;
    std::filesystem::create_directories(BlobDirectory(layout_), error);
    if (error) {
      return ErrnoStatus(error.value(), absl::StrCat("create ", BlobDirectory(layout_)));
    }
    file_.Reset(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    return file_.valid() ? absl::OkStatus()
                         : ErrnoStatus(errno, absl::StrCat("create ", temporary_));
  }

  const std::string layout_;
  const std::string temporary_;
  std::optional<Digest> expected_;
  UniqueFd file_;
  Hasher hasher_;
  uint64_t offset_ = 0;
};

class ContentService final : public content::Content::Service {
 public:
  explicit ContentService(std::map<std::string, std::string> layouts)
      : layouts_(std::move(layouts)) {}

  grpc::Status Info(grpc::ServerContext* context, const content::InfoRequest* request,
                    content::InfoResponse* response) override {
    return Answer([&]() -> absl::Status {
      ASSIGN_OR_RETURN(const std::string layout, Find(*context));
      ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(request->digest()));
      ASSIGN_OR_RETURN(*response->mutable_info(), InfoOf(layout, digest));
      return absl::OkStatus();
    }());
  }

  grpc::Status Read(grpc::ServerContext* context, const content::ReadContentRequest* request,
                    grpc::ServerWriter<content::ReadContentResponse>* writer) override {
    return Answer([&]() -> absl::Status {
      ASSIGN_OR_RETURN(const std::string layout, Find(*context));
      ASSIGN_OR_RETURN(const Digest digest, Digest::Parse(request->digest()));
      ASSIGN_OR_RETURN(const content::Info info, InfoOf(layout, digest));
      const UniqueFd file(::open(BlobPath(layout, digest).c_str(), O_RDONLY | O_CLOEXEC));
      if (!file.valid()) {
        return ErrnoStatus(errno, absl::StrCat("open ", BlobPath(layout, digest)));
      }
      const int64_t begin = std::max<int64_t>(request->offset(), 0);
      const int64_t wanted = request->size() > 0 ? request->size() : info.size();
      const int64_t end = begin + std::min(wanted, std::max<int64_t>(info.size() - begin, 0));
      for (int64_t offset = begin; offset < end;) {
        content::ReadContentResponse piece;
        piece.set_offset(offset);
        const uint64_t size = std::min(kPiece, static_cast<uint64_t>(end - offset));
        ASSIGN_OR_RETURN(*piece.mutable_data(),
                         ReadAt(file.get(), static_cast<uint64_t>(offset), size));
        if (piece.data().empty() || !writer->Write(piece)) {
          return absl::CancelledError();
        }
        offset += static_cast<int64_t>(piece.data().size());
      }
      return absl::OkStatus();
    }());
  }

  grpc::Status Write(grpc::ServerContext* context, WriteStream* stream) override {
    return Answer([&]() -> absl::Status {
      ASSIGN_OR_RETURN(const std::string layout, Find(*context));
      if (absl::StartsWith(NameFrom(*context), kImages)) {
        return absl::PermissionDeniedError("this content store is only read");
      }
      BlobReceiver receiver(layout, absl::StrCat(BlobDirectory(layout), "/.part-", ::getpid(), "-",
                                                 next_part_.fetch_add(1)));
      return receiver.Run(*stream);
    }());
  }

 private:
  static grpc::Status Answer(const absl::Status& status) {
    return status.ok() ? grpc::Status::OK
                       : grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                                      std::string(status.message()));
  }

  static std::string NameFrom(const grpc::ServerContext& context) {
    const auto header = context.client_metadata().find(kStoreHeader);
    return header == context.client_metadata().end()
               ? ""
               : std::string(header->second.data(), header->second.size());
  }

  StatusOr<std::string> Find(const grpc::ServerContext& context) const {
    const std::string name = NameFrom(context);
    const auto layout = layouts_.find(name);
    if (layout == layouts_.end()) {
      return absl::NotFoundError(absl::StrCat("this client has no content store \"", name, "\""));
    }
    return layout->second;
  }

  const std::map<std::string, std::string> layouts_;
  std::atomic<uint64_t> next_part_ = 0;
};

std::string AnnotationOf(const ordered_json& entry, const char* name) {
  const ordered_json::json_pointer where = ordered_json::json_pointer("/annotations") / name;
  return entry.contains(where) && entry.at(where).is_string() ? entry.at(where).get<std::string>()
                                                              : "";
}

// The name that an entry of an index lists an image under, or "".
std::string NameOf(const ordered_json& entry) { return AnnotationOf(entry, kImageName); }

// The text after the last ":" of a whole image name.
std::string TagOf(const std::string& name) { return name.substr(name.rfind(':') + 1); }

// Whether `text` may be a tag: no separator of paths is in it.
bool IsTag(const std::string& text) {
  return !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace

std::unique_ptr<grpc::Service> MakeContentService(std::map<std::string, std::string> layouts) {
  return std::make_unique<ContentService>(std::move(layouts));
}

namespace {

// The index of a layout that can be written to; an empty one when there is none yet.
StatusOr<ordered_json> LoadIndex(const std::string& layout) {
  const std::string path = absl::StrCat(layout, "/index.json");
  ordered_json index = {
      {"schemaVersion", 2}, {"mediaType", kIndexType}, {"manifests", ordered_json::array()}};
  if (const auto text = ReadFile(path); text.ok()) {
    index = ordered_json::parse(*text, nullptr, false);
  }
  if (!index.is_object() || !index["manifests"].is_array()) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not the index of an image layout"));
  }
  return index;
}

Status StoreIndex(const std::string& layout, const ordered_json& index) {
  RETURN_IF_ERROR(
      WriteFileDurably(absl::StrCat(layout, "/oci-layout"), R"({"imageLayoutVersion":"1.0.0"})"));
  return WriteFileDurably(absl::StrCat(layout, "/index.json"), index.dump());
}

StatusOr<ordered_json> ParseDescriptor(const std::string& descriptor) {
  ordered_json target = ordered_json::parse(descriptor, nullptr, false);
  if (!target.is_object()) {
    return absl::InternalError("the daemon sent no descriptor of what it wrote");
  }
  return target;
}

// Whether an entry of an index is listed under `tag` alone.
bool HasTag(const ordered_json& entry, const std::string& tag) {
  return NameOf(entry).empty() && AnnotationOf(entry, kRefName) == tag;
}

}  // namespace

Status SetTag(const std::string& layout, const std::string& descriptor, const std::string& tag) {
  ASSIGN_OR_RETURN(ordered_json index, LoadIndex(layout));
  ASSIGN_OR_RETURN(ordered_json target, ParseDescriptor(descriptor));
  ordered_json kept = ordered_json::array();
  for (const ordered_json& entry : index["manifests"]) {
    if (!HasTag(entry, tag)) {
      kept.push_back(entry);
    }
  }
  target["annotations"][kRefName] = tag;
  kept.push_back(std::move(target));
  index["manifests"] = std::move(kept);
  return StoreIndex(layout, index);
}

StatusOr<std::string> FindTag(const std::string& layout, const std::string& tag) {
  ASSIGN_OR_RETURN(const ordered_json index, LoadIndex(layout));
  for (const ordered_json& entry : index["manifests"]) {
    if (HasTag(entry, tag) && entry.contains("digest") && entry["digest"].is_string()) {
      return entry["digest"].get<std::string>();
    }
  }
  return absl::NotFoundError(absl::StrCat("no digest found for tag ", tag));
}

Status AddImage(const std::string& layout, const std::string& descriptor,
                const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(ordered_json index, LoadIndex(layout));
  ASSIGN_OR_RETURN(const ordered_json target, ParseDescriptor(descriptor));
  ordered_json kept = ordered_json::array();
  for (const ordered_json& image : index["manifests"]) {
    const std::string name = NameOf(image);
    const bool replaced = name.empty() ? names.empty() && image == target
                                       : std::count(names.begin(), names.end(), name) > 0;
    if (!replaced) {
      kept.push_back(image);
    }
  }
  for (const std::string& name : names) {
    ordered_json named = target;
    named["annotations"][kImageName] = name;
    named["annotations"][kRefName] = TagOf(name);
    kept.push_back(std::move(named));
  }
  if (names.empty()) {
    kept.push_back(target);
  }
  index["manifests"] = std::move(kept);
  return StoreIndex(layout, index);
}

StatusOr<LayoutImage> FindLayoutImage(const std::string& text) {
  LayoutImage image{.directory = text, .digest = ""};
  const size_t at = text.rfind('@');
  if (at != std::string::npos && Digest::Parse(text.substr(at + 1)).ok()) {
    image.digest = text.substr(at + 1);
    image.directory.resize(at);
  }
  std::string tag = "latest";
  const size_t colon = image.directory.rfind(':');
  if (colon != std::string::npos && IsTag(image.directory.substr(colon + 1))) {
    tag = image.directory.substr(colon + 1);
    image.directory.resize(colon);
  }
  const std::string path = absl::StrCat(image.directory, "/index.json");
  RETURN_IF_ERROR_IN(ReadFile(path).status(), "read an OCI image layout");
  if (!image.digest.empty()) {
    return image;
  }
  ASSIGN_OR_RETURN(const ordered_json index, LoadIndex(image.directory));
  const ordered_json& manifests = index["manifests"];
  for (const ordered_json& entry : manifests) {
    if (AnnotationOf(entry, kRefName) == tag || manifests.size() == 1) {
      image.digest = entry.is_object() ? entry.value("digest", "") : "";
    }
  }
  if (!Digest::Parse(image.digest).ok()) {
    return absl::NotFoundError(absl::StrCat(path, " lists no image ", tag));
  }
  return image;
}

}  // namespace cairn::client
