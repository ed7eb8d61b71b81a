// LocalSource: a directory of the client, received through its session into a tree.
//
// The files are hashed as they arrive, straight into the blob store. What the client sent last time
// is remembered per context (name, shared key hint, the session's shared key): a file whose size,
// mtime, mode and owner are what they were keeps its digest and is not asked for again. A step on
// top of it is keyed by the content of what it copies, never by the session.
//
// Source: protocol.md 3.1-3.3, 5.3 (local.* attributes).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/blob/database.h"
#include "cache/gc/ledger.h"
#include "cache/layer/chain_store.h"
#include "daemon/session/session_manager.h"
#include "daemon/solver/op.h"
#include "daemon/source/marked_contexts.h"

namespace pb {
class SourceOp;
}  // namespace pb

namespace cairn::source {

// What a LocalSource works with; all outlive it.
struct LocalSourceStores {
  session::SessionManager& sessions;
  layer::ChainStore& chains;
  blob::Database& database;
  gc::Ledger& ledger;
  MarkedContexts& marked;
};

class LocalSource final : public solver::Op {
 public:
  // Reads the local.* attributes. kInvalidArgument names one that is malformed.
  static StatusOr<std::unique_ptr<solver::Op>> Create(const pb::SourceOp& op,
                                                      LocalSourceStores stores);

  StatusOr<solver::Prepared> Prepare(solver::OpContext& context) override;
  StatusOr<std::vector<solver::OpOutput>> Run(solver::OpContext& context,
                                              const std::vector<layer::Chain>& inputs) override;

 private:
  struct Attributes {
    std::string name;  // of the directory, as the client knows it
    std::string session;
    std::string shared_key_hint;
    std::vector<std::string> include;
    std::vector<std::string> exclude;
    std::vector<std::string> follow;
    bool compare = true;  // local.differ=none asks for every file
    // Only descriptions of files, and the content of those excepted.
    bool metadata_only = false;
    std::vector<std::string> excepted;
    // All of the vertex, if it has a mark (local.unique); else empty.
    std::string marked;
  };

  LocalSource(Attributes attributes, LocalSourceStores stores)
      : attributes_(std::move(attributes)), stores_(stores) {}

  // The tree of an earlier transfer for the same marked vertex, if it is still to be had.
  StatusOr<std::optional<tree::TreeRef>> Known(gc::Lease& lease) const;
  StatusOr<tree::TreeRef> Receive(const std::shared_ptr<session::Session>& session,
                                  solver::OpContext& context);

  const Attributes attributes_;
  const LocalSourceStores stores_;
};

}  // namespace cairn::source
