#include "daemon/llb/graph.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "daemon/llb/capabilities.h"
#include "daemon/llb/validate.h"
#include "daemon/llb/vertex_name.h"
#include "proto/ops.pb.h"

namespace cairn::llb {
namespace {

constexpr char kCustomName[] = "llb.customname";

// An op that was parsed but not yet linked with its inputs.
struct ParsedOp {
  const std::string* bytes;
  std::shared_ptr<const pb::Op> op;
  std::vector<Edge> inputs;
};

using ParsedOps = absl::flat_hash_map<Digest, ParsedOp>;

StatusOr<Digest> ParseInput(const std::string& digest) {
  StatusOr<Digest> parsed = Digest::Parse(digest);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("invalid missing input digest ", digest));
  }
  return parsed;
}

// Parses all ops; `last` becomes the digest of the last one, which names the target.
StatusOr<ParsedOps> ParseOps(const pb::Definition& definition, const GraphLimits& limits,
                             std::optional<Digest>& last) {
  ParsedOps ops;
  size_t bytes = 0;
  size_t inputs = 0;
  for (const std::string& data : definition.def()) {
    bytes += data.size();
    auto op = std::make_shared<pb::Op>();
    if (bytes <= limits.max_bytes && !op->ParseFromString(data)) {
      return absl::InvalidArgumentError("failed to parse llb proto op");
    }
    inputs += op->inputs_size();
    if (bytes > limits.max_bytes || inputs > limits.max_inputs) {
      return absl::ResourceExhaustedError(absl::StrCat("definition too large: more than ",
                                                       limits.max_bytes, " bytes or ",
                                                       limits.max_inputs, " inputs"));
    }
    ParsedOp parsed{.bytes = &data, .op = op, .inputs = {}};
    for (int i = 0; i < op->inputs_size(); ++i) {
      const pb::Input& input = op->inputs(i);
      if (input.index() < 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("invalid input ", i, " output index ", input.index()));
      }
      ASSIGN_OR_RETURN(const Digest digest, ParseInput(input.digest()));
      parsed.inputs.push_back(Edge{digest, input.index()});
    }
    last = Digest::Of(data);
    ops.emplace(*last, std::move(parsed));
  }
  return ops;
}

// Source texts by their index in the definition.
std::vector<std::shared_ptr<const SourceFile>> ReadSourceFiles(const pb::Source& source) {
  std::vector<std::shared_ptr<const SourceFile>> files;
  for (const pb::SourceInfo& info : source.infos()) {
    auto file = std::make_shared<SourceFile>();
    file->filename = info.filename();
    file->language = info.language();
    file->data = info.data();
    if (info.has_definition()) {
      file->definition = std::make_shared<pb::Definition>(info.definition());
    }
    files.push_back(std::move(file));
  }
  return files;
}

StatusOr<std::vector<SourceLocation>> ReadLocations(
    const pb::Locations& locations, const std::vector<std::shared_ptr<const SourceFile>>& files) {
  std::vector<SourceLocation> result;
  for (const pb::Location& location : locations.locations()) {
    if (location.sourceindex() < 0 || static_cast<size_t>(location.sourceindex()) >= files.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("failed to find source map with index ", location.sourceindex()));
    }
    SourceLocation read{.file = files[location.sourceindex()], .ranges = {}};
    for (const pb::Range& range : location.ranges()) {
      read.ranges.push_back(SourceRange{{range.start().line(), range.start().character()},
                                        {range.end().line(), range.end().character()}});
    }
    result.push_back(std::move(read));
  }
  return result;
}

// The ops that `target` needs, inputs first. Iterative: a chain as deep as the limit must not
// exhaust the stack.
StatusOr<std::vector<Digest>> Order(const ParsedOps& ops, const Digest& target, size_t max_depth) {
  struct Frame {
    Digest digest;
    const ParsedOp* op;
    size_t next = 0;
  };
  std::vector<Digest> order;
  absl::flat_hash_set<Digest> done;
  absl::flat_hash_set<Digest> open;
  std::vector<Frame> stack;
  const auto push = [&](const Digest& digest) -> Status {
    auto found = ops.find(digest);
    if (found == ops.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("invalid missing input digest ", digest.ToString()));
    }
    if (!open.insert(digest).second) {
      return absl::InvalidArgumentError(absl::StrCat("invalid cycle through ", digest.ToString()));
    }
    if (stack.size() >= max_depth) {
      return absl::ResourceExhaustedError(
          absl::StrCat("definition too deep: a path of more than ", max_depth, " vertices"));
    }
    stack.push_back(Frame{digest, &found->second});
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(push(target));
  while (!stack.empty()) {
    Frame& frame = stack.back();
    if (frame.next < frame.op->inputs.size()) {
      const Digest input = frame.op->inputs[frame.next++].vertex;
      if (!done.contains(input)) {
        RETURN_IF_ERROR(push(input));
      }
      continue;
    }
    order.push_back(frame.digest);
    done.insert(frame.digest);
    open.erase(frame.digest);
    stack.pop_back();
  }
  return order;
}

}  // namespace

StatusOr<Graph> Graph::Load(const pb::Definition& definition, const GraphLimits& limits) {
  if (definition.def().empty()) {
    return absl::InvalidArgumentError("invalid empty definition");
  }
  if (static_cast<size_t>(definition.def_size()) > limits.max_vertices) {
    return absl::ResourceExhaustedError(
        absl::StrCat("definition too large: ", definition.def_size(), " vertices, the limit is ",
                     limits.max_vertices));
  }
  std::optional<Digest> last;
  ASSIGN_OR_RETURN(const ParsedOps ops, ParseOps(definition, limits, last));
  if (ops.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat("invalid LLB with ", ops.size(), " vertexes"));
  }
  const ParsedOp& head = ops.at(*last);
  if (head.inputs.empty()) {
    return absl::InvalidArgumentError("invalid LLB with no inputs on last vertex");
  }
  const Edge target = head.inputs[0];
  ASSIGN_OR_RETURN(const std::vector<Digest> order, Order(ops, target.vertex, limits.max_depth));

  const auto files = ReadSourceFiles(definition.source());
  const auto no_metadata = std::make_shared<const pb::OpMetadata>();
  Graph graph;
  for (const Digest& digest : order) {
    const ParsedOp& parsed = ops.at(digest);
    RETURN_IF_ERROR(ValidateOp(*parsed.op));
    auto vertex = std::make_shared<Vertex>(Vertex{.digest = digest,
                                                  .bytes = *parsed.bytes,
                                                  .op = parsed.op,
                                                  .metadata = no_metadata,
                                                  .inputs = parsed.inputs,
                                                  .locations = {},
                                                  .name = {}});
    const std::string text = digest.ToString();
    if (auto found = definition.metadata().find(text); found != definition.metadata().end()) {
      RETURN_IF_ERROR(CheckCapabilities(found->second));
      vertex->metadata = std::make_shared<const pb::OpMetadata>(found->second);
    }
    if (auto found = definition.source().locations().find(text);
        found != definition.source().locations().end()) {
      ASSIGN_OR_RETURN(vertex->locations, ReadLocations(found->second, files));
    }
    const auto& description = vertex->metadata->description();
    if (auto custom = description.find(kCustomName); custom != description.end()) {
      vertex->name = custom->second;
    } else {
      vertex->name = VertexName(*vertex->op, [&](size_t i) -> string_view {
        return graph.Find(vertex->inputs[i].vertex)->name;
      });
    }
    graph.index_.emplace(digest, graph.vertices_.size());
    graph.vertices_.push_back(std::move(vertex));
  }
  graph.target_ = target;
  return graph;
}

StatusOr<Graph> Graph::LoadOrScratch(const pb::Definition& definition, const GraphLimits& limits) {
  if (definition.def().empty()) {
    return Graph();
  }
  return Load(definition, limits);
}

Graph Graph::FromVertices(std::vector<std::shared_ptr<const Vertex>> vertices, Edge target) {
  Graph graph;
  graph.vertices_ = std::move(vertices);
  for (size_t i = 0; i < graph.vertices_.size(); ++i) {
    graph.index_.emplace(graph.vertices_[i]->digest, i);
  }
  graph.target_ = target;
  return graph;
}

const Vertex* Graph::Find(const Digest& digest) const {
  auto found = index_.find(digest);
  return found == index_.end() ? nullptr : vertices_[found->second].get();
}

std::shared_ptr<const Vertex> Graph::FindShared(const Digest& digest) const {
  auto found = index_.find(digest);
  return found == index_.end() ? nullptr : vertices_[found->second];
}

}  // namespace cairn::llb
