// type=oci and type=docker: an image as a tar at the client, or as blobs in a directory of the
// client (tar=false). OCI image-spec image-layout.md; Docker's manifest.json beside it.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cache/registry/reference.h"
#include "daemon/exporter/exporters.h"
#include "daemon/exporter/image_config.h"
#include "daemon/exporter/image_writer.h"
#include "daemon/exporter/progress_line.h"
#include "daemon/exporter/session_sink.h"
#include "daemon/session/content_client.h"
#include "runtime/fs/tar_writer.h"

namespace cairn::exporter {
namespace {

using registry::Descriptor;

constexpr char kCreated[] = "org.opencontainers.image.created";
constexpr char kRefName[] = "org.opencontainers.image.ref.name";
constexpr char kImageName[] = "io.containerd.image.name";
constexpr char kLayout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

enum class Variant { kOci, kDocker };

std::string BlobPath(const Digest& digest) { return absl::StrCat("blobs/sha256/", digest.hex()); }

// index.json: the image under each of its names.
std::string LayoutIndex(const Descriptor& target, const std::vector<std::string>& names) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  const auto add = [&list](const Descriptor& descriptor) {
    list.push_back(nlohmann::ordered_json::parse(registry::SerializeDescriptor(descriptor)));
  };
  for (const std::string& name : names) {
    Descriptor named = target;
    named.annotations[kImageName] = name;
    const StatusOr<registry::ImageReference> reference = registry::ImageReference::Parse(name);
    if (reference.ok()) {
      named.annotations[kRefName] = reference->tag();
    }
    add(named);
  }
  if (names.empty()) {
    add(target);
  }
  nlohmann::ordered_json index;
  index["schemaVersion"] = 2;
  index["mediaType"] = registry::media_type::kOciIndex;
  index["manifests"] = std::move(list);
  return index.dump();
}

// Docker's manifest.json.
std::string DockerIndex(const registry::Manifest& manifest, const std::vector<std::string>& names) {
  nlohmann::ordered_json item;
  item["Config"] = BlobPath(manifest.config.digest);
  item["RepoTags"] = nlohmann::ordered_json::array();
  for (const std::string& name : names) {
    const StatusOr<registry::ImageReference> reference = registry::ImageReference::Parse(name);
    item["RepoTags"].push_back(reference.ok() ? reference->Familiar() : name);
  }
  if (names.empty()) {
    item["RepoTags"] = nullptr;
  }
  item["Layers"] = nlohmann::ordered_json::array();
  for (const Descriptor& layer : manifest.layers) {
    item["Layers"].push_back(BlobPath(layer.digest));
  }
  return nlohmann::ordered_json::array({item}).dump();
}

class ArchiveExport final : public Export {
 public:
  ArchiveExport(const ExporterParts& parts, Variant variant, ImageOptions options, bool tar,
                std::map<std::string, std::string> extra)
      : parts_(parts),
        variant_(variant),
        options_(std::move(options)),
        tar_(tar),
        extra_(std::move(extra)) {}

  std::string name() const override {
    return variant_ == Variant::kOci ? "exporting to oci image format"
                                     : "exporting to docker image format";
  }

  StatusOr<std::map<std::string, std::string>> Run(const SolvedResult& given,
                                                   ExportContext& context) override {
    if (variant_ == Variant::kDocker && IsMap(given)) {
      return absl::InvalidArgumentError(
          "docker exporter does not currently support exporting manifest lists");
    }
    SolvedResult result = given;
    for (const auto& [key, value] : extra_) {
      result.metadata[key] = value;
    }
    ASSIGN_OR_RETURN(WrittenImage image, ImageWriter(parts_).Write(result, options_, context));
    image.target.annotations.emplace(kCreated, CreatedOf(result));
    std::string wanted = options_.names;
    if (wanted == "*") {
      const auto name = result.metadata.find("image.name");
      wanted = name == result.metadata.end() ? "" : name->second;
    }
    ASSIGN_OR_RETURN(const std::vector<std::string> names, ImageOptions::NormalizedNames(wanted));
    std::map<std::string, std::string> response = ResponseOf(image);
    if (!names.empty()) {
      response["image.name"] = absl::StrJoin(names, ",");
    }
    ASSIGN_OR_RETURN(const std::shared_ptr<session::Session> session,
                     parts_.sessions.Get(context.session_id, context.cancel));
    RETURN_IF_ERROR(tar_ ? SendTar(session, image, names, response, context)
                         : SendBlobs(session, image, context));
    return response;
  }

 private:
  std::string CreatedOf(const SolvedResult& result) const {
    absl::Time created = parts_.clock.Now();
    const StatusOr<std::optional<int64_t>> epoch =
        options_.epoch.has_value() ? *options_.epoch : EpochOf(result.metadata, "");
    if (epoch.ok() && epoch->has_value()) {
      created = absl::FromUnixSeconds(**epoch);
    }
    return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", created, absl::UTCTimeZone());
  }

  Status SendTar(const std::shared_ptr<session::Session>& session, const WrittenImage& image,
                 const std::vector<std::string>& names,
                 const std::map<std::string, std::string>& response, ExportContext& context) {
    const ProgressLine line(context.reporter, parts_.clock, "sending tarball");
    ASSIGN_OR_RETURN(
        std::unique_ptr<SessionSink> sink,
        SessionSink::Open(session, {.exporter_id = context.index, .metadata = response},
                          context.cancel));
    return sink->FinishWith(WriteTar(*sink, image, names));
  }

  Status WriteTar(fs::ByteSink& sink, const WrittenImage& image,
                  const std::vector<std::string>& names) {
    fs::TarWriter tar(sink);
    for (const char* directory : {"blobs", "blobs/sha256"}) {
      RETURN_IF_ERROR(
          tar.Add({.path = directory, .kind = fs::Kind::kDirectory, .metadata = {.mode = 0755}}));
    }
    std::vector<Digest> digests = image.reached();
    std::sort(digests.begin(), digests.end());
    digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
    for (const Digest& digest : digests) {
      ASSIGN_OR_RETURN(const std::unique_ptr<blob::BlobReader> reader, blobs().Open(digest));
      RETURN_IF_ERROR(
          tar.Add({.path = BlobPath(digest), .metadata = {.mode = 0444}, .size = reader->size()}));
      const std::unique_ptr<fs::ByteSource> stream = reader->Stream();
      RETURN_IF_ERROR(fs::Copy(*stream, tar).status());
    }
    RETURN_IF_ERROR(tar.AddFile({.path = "index.json", .metadata = {.mode = 0644}},
                                LayoutIndex(image.target, names)));
    if (variant_ == Variant::kDocker) {
      ASSIGN_OR_RETURN(const std::optional<registry::Manifest> manifest, ImageManifest(image));
      if (manifest.has_value()) {
        RETURN_IF_ERROR(tar.AddFile({.path = "manifest.json", .metadata = {.mode = 0644}},
                                    DockerIndex(*manifest, names)));
      }
    }
    RETURN_IF_ERROR(tar.AddFile({.path = "oci-layout", .metadata = {.mode = 0444}}, kLayout));
    return tar.Finish();
  }

  // The manifest of the (first) image, not of its attestations.
  StatusOr<std::optional<registry::Manifest>> ImageManifest(const WrittenImage& image) {
    for (const Descriptor& descriptor : image.manifests) {
      if (registry::IsManifestType(descriptor.media_type) &&
          descriptor.annotations.count("vnd.docker.reference.type") == 0) {
        ASSIGN_OR_RETURN(const std::string document, blobs().Read(descriptor.digest));
        ASSIGN_OR_RETURN(registry::Manifest manifest, registry::ParseManifest(document));
        return manifest;
      }
    }
    return std::nullopt;
  }

  Status SendBlobs(const std::shared_ptr<session::Session>& session, const WrittenImage& image,
                   ExportContext& context) {
    const session::ContentClient store(session, "export");
    for (const Digest& digest : image.reached()) {
      ASSIGN_OR_RETURN(const std::unique_ptr<blob::BlobReader> reader, blobs().Open(digest));
      const auto produce =
          [&reader](const std::function<Status(string_view data)>& write) -> Status {
        constexpr uint64_t kPiece = 1 << 20;
        for (uint64_t offset = 0; offset < reader->size(); offset += kPiece) {
          ASSIGN_OR_RETURN(const std::string data, reader->ReadAt(offset, kPiece));
          RETURN_IF_ERROR(write(data));
        }
        return absl::OkStatus();
      };
      RETURN_IF_ERROR(store.Write(digest, reader->size(), {}, produce, context.cancel));
    }
    return absl::OkStatus();
  }

  blob::BlobStore& blobs() { return parts_.chains.trees().blobs(); }

  const ExporterParts parts_;
  const Variant variant_;
  const ImageOptions options_;
  const bool tar_;
  const std::map<std::string, std::string> extra_;  // attributes that are metadata
};

class ArchiveExporter final : public Exporter {
 public:
  ArchiveExporter(const ExporterParts& parts, Variant variant) : parts_(parts), variant_(variant) {}

  StatusOr<std::unique_ptr<Export>> Resolve(
      const std::map<std::string, std::string>& attributes) override {
    std::map<std::string, std::string> rest = attributes;
    ASSIGN_OR_RETURN(ImageOptions options, ImageOptions::TakeFrom(rest));
    bool tar = true;
    const auto found = rest.find("tar");
    if (found != rest.end()) {
      ASSIGN_OR_RETURN(tar, ParseBool("tar", found->second));
      rest.erase(found);
    }
    return std::make_unique<ArchiveExport>(parts_, variant_, std::move(options), tar,
                                           std::move(rest));
  }

 private:
  const ExporterParts parts_;
  const Variant variant_;
};

}  // namespace

std::unique_ptr<Exporter> NewOciExporter(const ExporterParts& parts) {
  return std::make_unique<ArchiveExporter>(parts, Variant::kOci);
}

std::unique_ptr<Exporter> NewDockerExporter(const ExporterParts& parts) {
  return std::make_unique<ArchiveExporter>(parts, Variant::kDocker);
}

}  // namespace cairn::exporter
