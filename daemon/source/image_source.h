// ImageSource: an image of a registry, of the daemon's own image store, or of an OCI layout that a
// client serves, as a chain of layers.
//
// Its key is the manifest's digest. Layers are fetched and imported in parallel, each once: what a
// layer's blob was imported as is remembered by its digest. The blobs as they came are kept, so
// that an image pushed on top of it carries its base unchanged.
//
// Source: protocol.md 5.3 (docker-image:// and image.*, oci-layout:// and oci.* attributes), OCI
// image-spec.
#pragma once

#include <memory>
#include <string>

#include "cache/blob/database.h"
#include "cache/layer/chain_store.h"
#include "cache/layer/importer.h"
#include "daemon/session/session_manager.h"
#include "daemon/solver/op.h"
#include "daemon/source/image_resolver.h"
#include "runtime/fs/byte_stream.h"

namespace pb {
class Op;
}  // namespace pb

namespace cairn::source {

// What an ImageSource works with; all outlive it.
struct ImageSourceStores {
  session::SessionManager& sessions;
  layer::ChainStore& chains;
  blob::Database& database;
  gc::Ledger& ledger;
  registry::RegistryClient& registry;
  ImageResolver& resolver;
};

class ImageSource final : public solver::Op {
 public:
  // Reads identifier, platform and the attributes of the scheme. kInvalidArgument names one that is
  // malformed.
  static StatusOr<std::unique_ptr<solver::Op>> Create(const pb::Op& op, ImageSourceStores stores);

  StatusOr<solver::Prepared> Prepare(solver::OpContext& context) override;
  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext& context,
                                              const std::vector<layer::Chain>& inputs) override;

 private:
  struct Attributes {
    std::string reference;
    Platform platform;
    std::string mode = "default";
    std::optional<Digest> checksum;  // that the reference must name
    size_t layer_limit = 0;          // 0: all of them
    // Of a client rather than of a registry.
    bool in_layout = false;
    std::string layout_session;  // may be empty
    std::string layout_store;
  };

  ImageSource(Attributes attributes, ImageSourceStores stores)
      : attributes_(std::move(attributes)), stores_(stores) {}

  static Status SetAttribute(const std::string& key, const std::string& value,
                             Attributes& attributes);
  StatusOr<ResolvedImage> Resolve(solver::OpContext& context);
  StatusOr<std::unique_ptr<LayoutContent>> OpenLayout(solver::OpContext& context,
                                                      const Digest& image);
  // Fetches and imports the layers, as they are before they are put on one another.
  StatusOr<std::vector<layer::Layer>> PullLayers(solver::OpContext& context,
                                                 const std::vector<Digest>& diff_ids);
  StatusOr<layer::Layer> PullLayer(solver::OpContext& context,
                                   const registry::Descriptor& descriptor, const Digest& diff_id);
  // Has a record own the image's documents, its layers' blobs, and what those were imported as.
  Status Own(const std::vector<layer::Layer>& imported, const layer::Chain& chain);
  // Unpacks a layer whose blob is stored.
  StatusOr<layer::ImportedTar> ImportStored(solver::OpContext& context,
                                            const registry::Descriptor& descriptor);
  // Downloads a layer's blob and unpacks it while it comes.
  StatusOr<layer::ImportedTar> FetchAndImport(solver::OpContext& context,
                                              const registry::Descriptor& descriptor);
  StatusOr<layer::ImportedTar> Import(solver::OpContext& context,
                                      const registry::Descriptor& descriptor, fs::ByteSource& tar);
  // Downloads a layer's blob into the store; `also` gets its bytes as they come.
  Status FetchLayer(solver::OpContext& context, const registry::Descriptor& descriptor,
                    fs::ByteSink& also);

  const Attributes attributes_;
  const ImageSourceStores stores_;
  std::optional<ResolvedImage> image_;  // from Prepare to Run
};

}  // namespace cairn::source
