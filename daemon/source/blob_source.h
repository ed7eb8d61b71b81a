// BlobSource: one blob of an image's repository, or of an OCI layout that a client serves, as a
// file, named by its digest ("docker-image+blob://host/repository@sha256:..",
// "oci-layout+blob://name@sha256:..").
//
// Its digest says what it is; the rest only where it is found, and who may have it: a repository or
// client is asked before a blob that is here already is given out in its name.
//
// Source: protocol.md 5.3.
#pragma once

#include <memory>
#include <string>

#include "cache/layer/chain_store.h"
#include "cache/registry/client.h"
#include "daemon/session/session_manager.h"
#include "daemon/solver/op.h"
#include "daemon/source/image_content.h"

namespace pb {
class SourceOp;
}  // namespace pb

namespace cairn::source {

// What a BlobSource works with; all outlive it.
struct BlobSourceStores {
  session::SessionManager& sessions;
  layer::ChainStore& chains;
  registry::RegistryClient& registry;
};

class BlobSource final : public solver::Op {
 public:
  // Reads the reference and the attributes that it shares with files from URLs (http.filename,
  // http.perm, http.uid, http.gid); of a layout also oci.store, which it needs, and oci.session.
  // kInvalidArgument names one that is malformed, or a reference without a digest.
  static StatusOr<std::unique_ptr<solver::Op>> Create(const pb::SourceOp& op,
                                                      BlobSourceStores stores);

  StatusOr<solver::Prepared> Prepare(solver::OpContext& context) override;
  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext& context,
                                              const std::vector<layer::Chain>& inputs) override;

 private:
  struct Attributes {
    registry::ImageReference reference;
    Digest digest;
    bool in_layout = false;
    std::string layout_session;
    std::string layout_store;
    std::string file_name;
    uint32_t mode = 0600;
    uint32_t uid = 0;
    uint32_t gid = 0;
  };

  BlobSource(Attributes attributes, BlobSourceStores stores)
      : attributes_(std::move(attributes)), stores_(stores) {}

  static Status SetAttribute(const std::string& key, const std::string& value,
                             Attributes& attributes);
  // Has the blob in the store; returns its size.
  StatusOr<uint64_t> Fetch(solver::OpContext& context);
  StatusOr<uint64_t> FetchFromLayout(solver::OpContext& context);
  StatusOr<uint64_t> Receive(ImageContent& content, const registry::Descriptor& descriptor);

  const Attributes attributes_;
  const BlobSourceStores stores_;
};

}  // namespace cairn::source
