// type=image: into the daemon's image store under its names, and to registries.

#include <atomic>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/exporter/exporters.h"
#include "daemon/exporter/image_writer.h"
#include "daemon/exporter/progress_line.h"
#include "runtime/base/thread_pool.h"

namespace cairn::exporter {
namespace {

constexpr size_t kParallelBlobs = 4;

struct ImageExportOptions {
  ImageOptions image;
  bool store = true;
  bool push = false;
  bool push_by_digest = false;
  bool insecure = false;
  bool name_canonical = false;
  std::string dangling_prefix;
  bool dangling_empty_only = false;
};

// A blob's stream that keeps its reader.
class BlobSource final : public fs::ByteSource {
 public:
  explicit BlobSource(std::unique_ptr<blob::BlobReader> reader)
      : reader_(std::move(reader)), stream_(reader_->Stream()) {}
  StatusOr<size_t> Read(char* buffer, size_t size) override { return stream_->Read(buffer, size); }

 private:
  std::unique_ptr<blob::BlobReader> reader_;
  std::unique_ptr<fs::ByteSource> stream_;
};

class ImageExport final : public Export {
 public:
  ImageExport(const ExporterParts& parts, ImageExportOptions options)
      : parts_(parts), options_(std::move(options)) {}

  std::string name() const override { return "exporting to image"; }

  StatusOr<std::map<std::string, std::string>> Run(const SolvedResult& result,
                                                   ExportContext& context) override {
    ImageOptions image_options = options_.image;
    const auto given = result.metadata.find("image.name");
    if (image_options.names == "*") {
      image_options.names = given == result.metadata.end() ? "" : given->second;
    }
    ASSIGN_OR_RETURN(const WrittenImage image,
                     ImageWriter(parts_).Write(result, image_options, context));
    bool canonical = options_.name_canonical;
    std::string names = image_options.names;
    if (!options_.dangling_prefix.empty() && (!options_.dangling_empty_only || names.empty())) {
      canonical = canonical && !names.empty();
      absl::StrAppend(&names, names.empty() ? "" : ",", options_.dangling_prefix, "@",
                      image.target.digest.ToString());
    }
    std::map<std::string, std::string> response = ResponseOf(image);
    if (names.empty()) {
      return response;
    }
    for (const std::string& target : std::vector<std::string>(absl::StrSplit(names, ','))) {
      if (options_.store) {
        RETURN_IF_ERROR(Store(target, canonical, image, context));
      }
    }
    if (options_.push) {
      for (const std::string& target : std::vector<std::string>(absl::StrSplit(names, ','))) {
        RETURN_IF_ERROR_IN(Push(target, image, context), absl::StrCat("failed to push ", target));
      }
    }
    response["image.name"] = names;
    return response;
  }

 private:
  Status Store(const std::string& target, bool canonical, const WrittenImage& image,
               ExportContext& context) {
    const ProgressLine line(context.reporter, parts_.clock, absl::StrCat("naming to ", target));
    std::vector<std::string> names;
    const bool has_digest = absl::StrContains(target, '@');
    const StatusOr<registry::ImageReference> reference = registry::ImageReference::Parse(target);
    names.push_back(reference.ok() && !has_digest ? reference->ToString() : target);
    if (canonical && !has_digest) {
      names.push_back(absl::StrCat(names[0], "@", image.target.digest.ToString()));
    }
    for (const std::string& name : names) {
      RETURN_IF_ERROR(parts_.images.Put({.name = name,
                                         .media_type = image.target.media_type,
                                         .digest = image.target.digest,
                                         .size = image.target.size},
                                        image.reached()));
    }
    return absl::OkStatus();
  }

  Status Push(const std::string& target, const WrittenImage& image, ExportContext& context) {
    if (options_.push_by_digest && TagOf(target)) {
      return absl::InvalidArgumentError(
          absl::StrCat("can't push tagged ref ", target, " by digest"));
    }
    ASSIGN_OR_RETURN(const registry::ImageReference reference,
                     registry::ImageReference::Parse(target));
    const std::unique_ptr<registry::CredentialSource> credentials =
        parts_.credentials(context.sessions);
    const registry::Access access{
        .credentials = *credentials, .cancel = context.cancel, .insecure = options_.insecure};
    {
      const ProgressLine line(context.reporter, parts_.clock, "pushing layers");
      RETURN_IF_ERROR(PushBlobs(reference, image, access, context));
    }
    const ProgressLine line(context.reporter, parts_.clock,
                            absl::StrCat("pushing manifest for ", reference.ToString(), "@",
                                         image.target.digest.ToString()));
    const registry::ImageReference untagged = reference.WithDigest(image.target.digest);
    for (size_t i = 0; i < image.manifests.size(); ++i) {
      const registry::Descriptor& manifest = image.manifests[i];
      const bool top = i + 1 == image.manifests.size();
      ASSIGN_OR_RETURN(const std::string document, blobs().Read(manifest.digest));
      const bool by_tag = top && !options_.push_by_digest;
      RETURN_IF_ERROR(parts_.registry.PushManifest(by_tag ? reference : untagged.WithoutTag(),
                                                   manifest, document, access));
    }
    return absl::OkStatus();
  }

  static bool TagOf(const std::string& target) {
    const size_t slash = target.rfind('/');
    return target.find(':', slash == std::string::npos ? 0 : slash) != std::string::npos;
  }

  Status PushBlobs(const registry::ImageReference& reference, const WrittenImage& image,
                   const registry::Access& access, ExportContext& context) {
    std::atomic<size_t> next = 0;
    CancelSource stop(context.cancel);
    Mutex mu;
    Status failure;
    const auto work = [&] {
      for (size_t i = next++; i < image.blobs.size(); i = next++) {
        const Status pushed = PushBlob(reference, image.blobs[i],
                                       {.credentials = access.credentials,
                                        .cancel = stop.token(),
                                        .insecure = access.insecure},
                                       context);
        if (!pushed.ok()) {
          {
            MutexLock lock(mu);
            if (failure.ok()) {
              failure = pushed;
            }
          }
          stop.Cancel();
          return;
        }
      }
    };
    std::vector<std::thread> threads;
    for (size_t i = 1; i < std::min(kParallelBlobs, image.blobs.size()); ++i) {
      threads.push_back(StartThread("push-blob", work));
    }
    work();
    for (std::thread& thread : threads) {
      thread.join();
    }
    RETURN_IF_ERROR(context.cancel.Check());
    return failure;
  }

  Status PushBlob(const registry::ImageReference& reference, const ImageContent& content,
                  const registry::Access& access, ExportContext&) {
    if (registry::IsForeignLayerType(content.descriptor.media_type)) {
      return absl::OkStatus();
    }
    registry::RegistryClient::BlobUpload upload{.descriptor = content.descriptor};
    // A blob that came from the same registry need not travel.
    string_view origin = content.origin;
    if (absl::ConsumePrefix(&origin, absl::StrCat(reference.host(), "/"))) {
      upload.mount_from = std::string(origin);
    }
    upload.open =
        [this, digest = content.descriptor.digest]() -> StatusOr<std::unique_ptr<fs::ByteSource>> {
      ASSIGN_OR_RETURN(std::unique_ptr<blob::BlobReader> reader, blobs().Open(digest));
      return std::make_unique<BlobSource>(std::move(reader));
    };
    return parts_.registry.PushBlob(reference, upload, access).status();
  }

  blob::BlobStore& blobs() { return parts_.chains.trees().blobs(); }

  const ExporterParts parts_;
  const ImageExportOptions options_;
};

class ImageExporter final : public Exporter {
 public:
  explicit ImageExporter(const ExporterParts& parts) : parts_(parts) {}

  StatusOr<std::unique_ptr<Export>> Resolve(
      const std::map<std::string, std::string>& attributes) override {
    std::map<std::string, std::string> rest = attributes;
    // Attestations that are only for images are attached here unless that is turned off.
    rest.emplace("attestation-inline", "true");
    ImageExportOptions options;
    ASSIGN_OR_RETURN(options.image, ImageOptions::TakeFrom(rest));
    for (const auto& [key, value] : rest) {
      bool* const flag = key == "store"                     ? &options.store
                         : key == "push"                    ? &options.push
                         : key == "push-by-digest"          ? &options.push_by_digest
                         : key == "registry.insecure"       ? &options.insecure
                         : key == "name-canonical"          ? &options.name_canonical
                         : key == "danging-name-empty-only" ? &options.dangling_empty_only
                                                            : nullptr;
      if (flag != nullptr) {
        ASSIGN_OR_RETURN(*flag, ParseBool(key, value));
      } else if (key == "dangling-name-prefix") {
        options.dangling_prefix = value;
      }
    }
    return std::make_unique<ImageExport>(parts_, std::move(options));
  }

 private:
  const ExporterParts parts_;
};

}  // namespace

std::unique_ptr<Exporter> NewImageExporter(const ExporterParts& parts) {
  return std::make_unique<ImageExporter>(parts);
}

std::map<std::string, std::unique_ptr<Exporter>> MakeExporters(const ExporterParts& parts) {
  std::map<std::string, std::unique_ptr<Exporter>> exporters;
  exporters["image"] = NewImageExporter(parts);
  exporters["oci"] = NewOciExporter(parts);
  exporters["docker"] = NewDockerExporter(parts);
  exporters["local"] = NewLocalExporter(parts);
  exporters["tar"] = NewTarExporter(parts);
  return exporters;
}

}  // namespace cairn::exporter
