#include "daemon/source/image_source.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "daemon/source/layer_memo.h"
#include "daemon/source/session_credentials.h"
#include "proto/ops.pb.h"
#include "runtime/base/thread_pool.h"
#include "runtime/fs/byte_pipe.h"

namespace cairn::source {
namespace {

constexpr int kLayersAtOnce = 3;
constexpr absl::Duration kProgressInterval = absl::Milliseconds(150);

Platform PlatformOf(const pb::Op& op) {
  if (!op.has_platform() || op.platform().os().empty()) {
    return Platform::Host();
  }
  return Platform{.os = op.platform().os(),
                  .architecture = op.platform().architecture(),
                  .variant = op.platform().variant(),
                  .os_version = op.platform().osversion()}
      .Normalized();
}

// One status line under the image's vertex: completed when it goes.
class StatusLine {
 public:
  StatusLine(solver::VertexReporter& reporter, std::string id, std::string name, int64_t total)
      : reporter_(reporter),
        id_(std::move(id)),
        name_(std::move(name)),
        total_(total),
        started_(absl::Now()) {
    Report(0, false);
  }

  void Update(uint64_t current) {
    if (absl::Now() - reported_ >= kProgressInterval) {
      Report(current, false);
    }
  }
  void Done() { Report(static_cast<uint64_t>(total_), true); }

 private:
  void Report(uint64_t current, bool done) {
    reported_ = absl::Now();
    reporter_.Status({.id = id_,
                      .vertex = Digest::Of(""),
                      .name = name_,
                      .current = static_cast<int64_t>(current),
                      .total = total_,
                      .started = started_,
                      .completed = done ? std::optional(reported_) : std::nullopt});
  }

  solver::VertexReporter& reporter_;
  const std::string id_;
  const std::string name_;
  const int64_t total_;
  const absl::Time started_;
  absl::Time reported_;
};

// Passes bytes on to two sinks.
class TeeSink final : public fs::ByteSink {
 public:
  TeeSink(fs::ByteSink& first, fs::ByteSink& second) : first_(first), second_(second) {}
  Status Write(string_view data) override {
    RETURN_IF_ERROR(first_.Write(data));
    return second_.Write(data);
  }

 private:
  fs::ByteSink& first_;
  fs::ByteSink& second_;
};

}  // namespace

Status ImageSource::SetAttribute(const std::string& key, const std::string& value,
                                 Attributes& attributes) {
  if (key == (attributes.in_layout ? "oci.layerlimit" : "image.layerlimit")) {
    if (!absl::SimpleAtoi(value, &attributes.layer_limit) || attributes.layer_limit == 0) {
      return absl::InvalidArgumentError(absl::StrCat("invalid layer limit ", value));
    }
  } else if (key == "oci.session") {
    attributes.layout_session = value;
  } else if (key == "oci.store") {
    attributes.layout_store = value;
  } else if (key == "image.resolvemode") {
    if (value != "default" && value != "pull" && value != "local") {
      return absl::InvalidArgumentError(absl::StrCat("invalid image resolve mode: ", value));
    }
    attributes.mode = value;
  } else if (key == "image.checksum") {
    ASSIGN_OR_RETURN(attributes.checksum, Digest::Parse(value));
  }
  return absl::OkStatus();
}

StatusOr<std::unique_ptr<solver::Op>> ImageSource::Create(const pb::Op& op,
                                                          ImageSourceStores stores) {
  Attributes attributes{.platform = PlatformOf(op)};
  string_view reference = op.source().identifier();
  attributes.in_layout = absl::ConsumePrefix(&reference, "oci-layout://");
  absl::ConsumePrefix(&reference, "docker-image://");
  attributes.reference = std::string(reference);
  RETURN_IF_ERROR((attributes.in_layout ? ParseLayoutReference(reference)
                                        : registry::ImageReference::Parse(reference))
                      .status());
  for (const auto& [key, value] : op.source().attrs()) {
    RETURN_IF_ERROR(SetAttribute(key, value, attributes));
  }
  return std::unique_ptr<solver::Op>(new ImageSource(std::move(attributes), stores));
}

StatusOr<std::unique_ptr<LayoutContent>> ImageSource::OpenLayout(solver::OpContext& context,
                                                                 const Digest& image) {
  return LayoutContent::Open(stores_.sessions, context.sessions, attributes_.layout_session,
                             attributes_.layout_store, image, context.cancel);
}

StatusOr<ResolvedImage> ImageSource::Resolve(solver::OpContext& context) {
  if (attributes_.in_layout) {
    ASSIGN_OR_RETURN(const registry::ImageReference reference,
                     ParseLayoutReference(attributes_.reference));
    ASSIGN_OR_RETURN(const auto content, OpenLayout(context, *reference.digest()));
    return stores_.resolver.ResolveIn(*content, reference, content->image(), attributes_.platform);
  }
  SessionCredentials credentials(stores_.sessions, context.sessions);
  return stores_.resolver.Resolve(attributes_.reference, attributes_.platform, attributes_.mode,
                                  {.credentials = credentials, .cancel = context.cancel});
}

StatusOr<solver::Prepared> ImageSource::Prepare(solver::OpContext& context) {
  StatusLine line(context.reporter, "resolve " + attributes_.reference, "resolve", 0);
  ASSIGN_OR_RETURN(image_, Resolve(context));
  line.Done();
  if (attributes_.checksum.has_value() && *attributes_.checksum != image_->top) {
    return absl::FailedPreconditionError(
        absl::StrCat("image digest ", image_->top.ToString(), " for ", attributes_.reference,
                     " does not match expected checksum ", attributes_.checksum->ToString()));
  }
  solver::Prepared prepared;
  prepared.key.emplace("image 1");
  prepared.key->Add("manifest", image_->manifest.digest);
  prepared.pin = image_->top.ToString();
  if (attributes_.layer_limit > 0) {
    prepared.key->AddNumber("layers", static_cast<int64_t>(attributes_.layer_limit));
  }
  return prepared;
}

StatusOr<std::vector<solver::OpOutput>> ImageSource::Run(solver::OpContext& context,
                                                         const std::vector<layer::Chain>&) {
  ASSIGN_OR_RETURN_IN(const registry::ImageConfigInfo config,
                      registry::ParseImageConfig(image_->config), attributes_.reference);
  if (config.diff_ids.size() != image_->document.layers.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(attributes_.reference, ": the manifest lists ", image_->document.layers.size(),
                     " layers and the config ", config.diff_ids.size(), " diff IDs"));
  }
  ASSIGN_OR_RETURN_IN(const std::vector<layer::Layer> layers, PullLayers(context, config.diff_ids),
                      attributes_.reference);
  ASSIGN_OR_RETURN(layer::Chain chain, stores_.chains.Scratch());
  for (const layer::Layer& layer : layers) {
    ASSIGN_OR_RETURN(chain, stores_.chains.Append(chain, layer));
  }
  RETURN_IF_ERROR(Own(layers, chain));
  return std::vector<solver::OpOutput>{{.chain = std::move(chain), .base_input = -1}};
}

Status ImageSource::Own(const std::vector<layer::Layer>& imported, const layer::Chain& chain) {
  gc::RecordDraft record{
      .identity = absl::StrCat("pulled:", image_->manifest.digest.hex()),
      .description =
          absl::StrCat(attributes_.in_layout ? "loaded from a client's layout: " : "pulled from ",
                       image_->reference.ToString()),
      .blobs = {image_->top, image_->manifest.digest, image_->document.config.digest}};
  for (size_t i = 0; i < imported.size(); ++i) {
    // A layer that implies directories is imported as one delta and stacked as another; without the
    // first, what the memory of imports says would be swept.
    record.trees.push_back(imported[i].delta.digest);
    if (chain.layers[i].delta.digest != imported[i].delta.digest) {
      record.trees.push_back(chain.layers[i].delta.digest);
    }
    record.blobs.push_back(imported[i].original->digest);
  }
  return stores_.ledger.Add(record);
}

StatusOr<std::vector<layer::Layer>> ImageSource::PullLayers(solver::OpContext& context,
                                                            const std::vector<Digest>& diff_ids) {
  const std::vector<registry::Descriptor>& descriptors = image_->document.layers;
  const size_t count = attributes_.layer_limit > 0
                           ? std::min(attributes_.layer_limit, descriptors.size())
                           : descriptors.size();
  std::vector<StatusOr<layer::Layer>> pulled(count, absl::CancelledError("context canceled"));
  std::atomic<size_t> next = 0;
  std::atomic<bool> failed = false;
  auto work = [&] {
    for (size_t i = next++; i < count && !failed; i = next++) {
      pulled[i] = PullLayer(context, descriptors[i], diff_ids[i]);
      failed = failed || !pulled[i].ok();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < kLayersAtOnce && static_cast<size_t>(i) < count; ++i) {
    threads.push_back(StartThread("pull", work));
  }
  work();
  for (std::thread& thread : threads) {
    thread.join();
  }
  std::vector<layer::Layer> layers;
  Status first;
  for (StatusOr<layer::Layer>& layer : pulled) {
    if (layer.ok()) {
      layers.push_back(*std::move(layer));
    } else if (first.ok() || absl::IsCancelled(first)) {
      first = layer.status();
    }
  }
  RETURN_IF_ERROR(first);
  return layers;
}

StatusOr<layer::Layer> ImageSource::PullLayer(solver::OpContext& context,
                                              const registry::Descriptor& descriptor,
                                              const Digest& diff_id) {
  const std::string name = absl::StrCat("layer ", descriptor.digest.ToString());
  tree::TreeStore& trees = stores_.chains.trees();
  ASSIGN_OR_RETURN(const bool stored, trees.blobs().Contains(descriptor.digest));
  ASSIGN_OR_RETURN(std::optional<layer::ImportedTar> imported,
                   FindImportedLayer(stores_.database, trees, descriptor.digest));
  if (!stored && imported.has_value()) {
    fs::NullSink nowhere;
    RETURN_IF_ERROR_IN(FetchLayer(context, descriptor, nowhere), name);
  } else if (!imported.has_value()) {
    ASSIGN_OR_RETURN_IN(
        imported, stored ? ImportStored(context, descriptor) : FetchAndImport(context, descriptor),
        name);
    RETURN_IF_ERROR(RememberImportedLayer(stores_.database, descriptor.digest, *imported));
  }
  if (imported->diff_id != diff_id) {
    return absl::DataLossError(absl::StrCat(name, ": its content is ", imported->diff_id.ToString(),
                                            ", the image's config says ", diff_id.ToString()));
  }
  return layer::Layer{.delta = imported->tree,
                      .original = layer::OriginalBlob{
                          .media_type = descriptor.media_type,
                          .digest = descriptor.digest,
                          .size = descriptor.size,
                          .diff_id = diff_id,
                          .origin = attributes_.in_layout ? "" : image_->reference.name(),
                          .urls = registry::IsForeignLayerType(descriptor.media_type)
                                      ? descriptor.urls
                                      : std::vector<std::string>()}};
}

StatusOr<layer::ImportedTar> ImageSource::ImportStored(solver::OpContext& context,
                                                       const registry::Descriptor& descriptor) {
  ASSIGN_OR_RETURN(const auto reader, stores_.chains.trees().blobs().Open(descriptor.digest));
  const auto stream = reader->Stream();
  return Import(context, descriptor, *stream);
}

StatusOr<layer::ImportedTar> ImageSource::Import(solver::OpContext& context,
                                                 const registry::Descriptor& descriptor,
                                                 fs::ByteSource& tar) {
  StatusLine line(context.reporter, "extracting " + descriptor.digest.ToString(), "extracting", 0);
  ASSIGN_OR_RETURN(const layer::ImportedTar imported,
                   layer::ImportTar(stores_.chains.trees(), tar, true, context.cancel));
  line.Done();
  return imported;
}

StatusOr<layer::ImportedTar> ImageSource::FetchAndImport(solver::OpContext& context,
                                                         const registry::Descriptor& descriptor) {
  fs::BytePipe pipe;
  StatusOr<layer::ImportedTar> imported = absl::CancelledError("context canceled");
  std::thread importer = StartThread("import", [&] {
    imported = Import(context, descriptor, pipe);
    pipe.CloseReader();
  });
  // The bytes are hashed on the way: what was imported of wrong ones is not believed below.
  const Status fetched = FetchLayer(context, descriptor, pipe);
  pipe.CloseWriter(fetched);
  importer.join();
  // An importer that gave up broke the download off; one that got no more did not fail by itself.
  if (!imported.ok() && absl::IsCancelled(fetched)) {
    return imported;
  }
  RETURN_IF_ERROR(fetched);
  return imported;
}

Status ImageSource::FetchLayer(solver::OpContext& context, const registry::Descriptor& descriptor,
                               fs::ByteSink& also) {
  StatusLine line(context.reporter, descriptor.digest.ToString(), "",
                  static_cast<int64_t>(descriptor.size));
  SessionCredentials credentials(stores_.sessions, context.sessions);
  std::unique_ptr<ImageContent> content;
  if (attributes_.in_layout) {
    ASSIGN_OR_RETURN(content, OpenLayout(context, image_->top));
  } else {
    content = std::make_unique<RepositoryContent>(
        stores_.registry, image_->reference,
        registry::Access{.credentials = credentials, .cancel = context.cancel});
  }
  ASSIGN_OR_RETURN(const auto writer, stores_.chains.trees().blobs().NewWriter());
  TeeSink tee(*writer, also);
  RETURN_IF_ERROR(content->FetchBlob(descriptor, tee, [&](uint64_t bytes) { line.Update(bytes); }));
  RETURN_IF_ERROR(writer->Commit(descriptor.digest).status());
  line.Done();
  return absl::OkStatus();
}

}  // namespace cairn::source
