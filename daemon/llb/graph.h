// Graph: a build as the daemon sees it, read once from a client's wire definition (pb.Definition).
//
// Every vertex is known by the digest of the bytes that the client sent. The bytes are kept and
// never serialised again: another protobuf library may order map entries or unknown fields
// differently, and then the digests in progress events would not be the ones the client computed.
//
// Load() refuses whatever could not be built (missing inputs, negative output indexes, operations
// without their required parts) or would exhaust memory or stack (Limits). A loaded graph has no
// cycle and every input of a vertex comes before it in vertices().
//
// Immutable after Load(), hence thread-safe. Copying is cheap (vertices are shared).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "daemon/llb/source_location.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace pb {
class Definition;
class Op;
class OpMetadata;
}  // namespace pb

namespace cairn::llb {

// One output of a vertex.
struct Edge {
  Digest vertex;
  int64_t index = 0;

  friend bool operator==(const Edge&, const Edge&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Edge& edge) {
    return H::combine(std::move(h), edge.vertex, edge.index);
  }
};

// Shared and immutable: one Vertex may be in several graphs and on several threads.
struct Vertex {
  Digest digest;      // of `bytes`
  std::string bytes;  // the pb.Op as it was sent
  std::shared_ptr<const pb::Op> op;
  std::shared_ptr<const pb::OpMetadata> metadata;  // empty message when none was sent
  std::vector<Edge> inputs;                        // parallel to op->inputs()
  std::vector<SourceLocation> locations;           // may be empty
  // What progress shows: the metadata's "llb.customname", else made from the op ("copy /a /b").
  std::string name;
};

// What Load() accepts. The defaults are far above real builds (a 300-stage build has some 10'000
// vertices) and keep a hostile definition below some hundred megabytes.
struct GraphLimits {
  size_t max_vertices = 100'000;
  size_t max_inputs = 1'000'000;  // edges, all vertices together
  size_t max_bytes = 256u << 20;  // op bytes, all together
  size_t max_depth = 10'000;      // longest path
};

class Graph {
 public:
  // A graph of nothing: its target is scratch.
  Graph() = default;

  // Reads `definition`. kInvalidArgument with BuildKit's texts when it is malformed ("invalid empty
  // definition", "invalid missing input digest ..", ..), kResourceExhausted above a limit. Vertices
  // that the target does not need are dropped.
  static StatusOr<Graph> Load(const pb::Definition& definition, const GraphLimits& limits = {});

  // The same, but an empty definition is scratch, as it is for frontend inputs and gateway results.
  static StatusOr<Graph> LoadOrScratch(const pb::Definition& definition,
                                       const GraphLimits& limits = {});

  // A graph made of given vertices (as the solver does after a source was rewritten). Each input
  // must stand before its user, and `target` must be among them.
  static Graph FromVertices(std::vector<std::shared_ptr<const Vertex>> vertices, Edge target);

  // All vertices, inputs before their users.
  const std::vector<std::shared_ptr<const Vertex>>& vertices() const { return vertices_; }

  // The output the build is for; nullopt means scratch.
  const std::optional<Edge>& target() const { return target_; }

  // The vertex with that digest, or null.
  const Vertex* Find(const Digest& digest) const;
  std::shared_ptr<const Vertex> FindShared(const Digest& digest) const;

 private:
  std::vector<std::shared_ptr<const Vertex>> vertices_;
  absl::flat_hash_map<Digest, size_t> index_;
  std::optional<Edge> target_;
};

}  // namespace cairn::llb
