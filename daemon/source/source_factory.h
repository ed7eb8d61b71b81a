// SourceFactory: makes the operation of every source vertex, and answers what a source is now.
//
// Built once by the composition root; thread-safe. Everything in SourceStores outlives it.
#pragma once

#include <memory>
#include <string>

#include "cache/gc/image_store.h"
#include "daemon/llb/graph.h"
#include "daemon/solver/frontend.h"
#include "daemon/solver/op.h"
#include "daemon/source/git_repositories.h"
#include "daemon/source/git_source.h"
#include "daemon/source/http_source.h"
#include "daemon/source/image_source.h"
#include "daemon/source/local_source.h"
#include "runtime/net/http_client.h"

namespace cairn::source {

struct SourceStores {
  session::SessionManager& sessions;
  layer::ChainStore& chains;
  blob::Database& database;
  snapshot::Snapshotter& snapshots;
  gc::Ledger& ledger;
  registry::RegistryClient& registry;
  gc::ImageStore& images;
  GitRepositories& repositories;
  net::HttpClient& http;
  std::string sockets;  // directory for those of SSH agents
};

class SourceFactory {
 public:
  explicit SourceFactory(SourceStores stores);

  // The op of a vertex that is a pb.SourceOp. kUnimplemented for a scheme that is not known.
  StatusOr<std::unique_ptr<solver::Op>> MakeOp(const llb::Vertex& vertex);

  // The config of an image, with the reference pinned.
  StatusOr<solver::ImageConfig> ResolveImageConfig(const solver::ResolveImageRequest& request,
                                                   const session::SessionGroup& sessions,
                                                   const CancelToken& cancel);
  // What a source is now: its identifier pinned, and an image's config or a repository's commit.
  StatusOr<solver::SourceMeta> ResolveSourceMeta(const solver::ResolveSourceRequest& request,
                                                 const session::SessionGroup& sessions,
                                                 solver::BuildMemory& build,
                                                 const CancelToken& cancel);

 private:
  HttpSourceStores HttpStores() const;
  GitSourceStores GitStores() const;
  struct LayoutImage {
    registry::ImageReference reference;
    std::unique_ptr<LayoutContent> content;
  };
  StatusOr<LayoutImage> OpenLayout(const solver::ResolveImageRequest& request,
                                   const session::SessionGroup& sessions,
                                   const CancelToken& cancel);
  StatusOr<ResolvedImage> ResolveLayoutImage(const solver::ResolveImageRequest& request,
                                             const session::SessionGroup& sessions,
                                             const CancelToken& cancel);
  StatusOr<std::optional<solver::AttestationChain>> ResolveAttestations(
      const solver::ResolveImageRequest& request, const std::vector<std::string>& predicate_types,
      const session::SessionGroup& sessions, const CancelToken& cancel);
  StatusOr<solver::SourceMeta::Git> ResolveGitMeta(const solver::ResolveSourceRequest& request,
                                                   const session::SessionGroup& sessions,
                                                   solver::BuildMemory& build,
                                                   const CancelToken& cancel);
  StatusOr<solver::SourceMeta::Http> ResolveHttpMeta(const solver::ResolveSourceRequest& request,
                                                     const session::SessionGroup& sessions,
                                                     solver::BuildMemory& build,
                                                     const CancelToken& cancel);

  const SourceStores stores_;
  ImageResolver resolver_;
  MarkedContexts marked_;
};

}  // namespace cairn::source
