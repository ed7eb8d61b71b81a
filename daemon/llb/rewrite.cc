#include "daemon/llb/rewrite.h"

#include <string>

namespace cairn::llb {
namespace {

// What became of each vertex whose digest changed.
using Renamed = std::map<Digest, Digest>;

Digest NameOf(const Renamed& renamed, const Digest& digest) {
  const auto found = renamed.find(digest);
  return found == renamed.end() ? digest : found->second;
}

// The bytes of `vertex` as it is now.
std::string BytesOf(const Vertex& vertex, const pb::Op* replacement, const Renamed& renamed) {
  pb::Op op = replacement != nullptr ? *replacement : *vertex.op;
  bool changed = replacement != nullptr;
  for (size_t i = 0; i < vertex.inputs.size(); ++i) {
    const Digest now = NameOf(renamed, vertex.inputs[i].vertex);
    if (now != vertex.inputs[i].vertex) {
      op.mutable_inputs(static_cast<int>(i))->set_digest(now.ToString());
      changed = true;
    }
  }
  return changed ? op.SerializeAsString() : vertex.bytes;
}

}  // namespace

pb::Definition ReplaceOps(const pb::Definition& definition, const Graph& graph,
                          const std::map<Digest, pb::Op>& replacements) {
  pb::Definition out;
  *out.mutable_source() = definition.source();
  out.mutable_source()->clear_locations();
  const auto& locations = definition.source().locations();
  Renamed renamed;
  for (const auto& vertex : graph.vertices()) {
    const auto replaced = replacements.find(vertex->digest);
    std::string bytes =
        BytesOf(*vertex, replaced == replacements.end() ? nullptr : &replaced->second, renamed);
    const Digest now = Digest::Of(bytes);
    renamed.emplace(vertex->digest, now);
    out.add_def(std::move(bytes));
    (*out.mutable_metadata())[now.ToString()] = *vertex->metadata;
    const auto location = locations.find(vertex->digest.ToString());
    if (location != locations.end()) {
      (*out.mutable_source()->mutable_locations())[now.ToString()] = location->second;
    }
  }
  pb::Op target;
  pb::Input* input = target.add_inputs();
  input->set_digest(NameOf(renamed, graph.target()->vertex).ToString());
  input->set_index(graph.target()->index);
  out.add_def(target.SerializeAsString());
  return out;
}

}  // namespace cairn::llb
