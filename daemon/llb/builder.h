// Building a wire definition: the frontend's side of LLB.
//
// Ops are nodes that point at the outputs they use. A node may be changed until Marshal() runs (the
// build context learns the paths it must carry only when the whole Dockerfile is read); Marshal()
// then serialises each op once, inputs first, and names it by the digest of the bytes. The last
// element of a definition holds no op, only the target as its single input.
//
// Not thread-safe; nodes may be shared between several marshalled targets of one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/llb/graph.h"
#include "daemon/llb/source_location.h"
#include "proto/ops.pb.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::llb {

struct Node;

// One output of a node; no node means scratch.
struct Output {
  std::shared_ptr<Node> node;
  int64_t index = 0;

  bool is_scratch() const { return node == nullptr; }
  friend bool operator==(const Output&, const Output&) = default;
};

struct Node {
  pb::Op op;  // its `inputs` field stays empty until Marshal()
  pb::OpMetadata metadata;
  std::vector<Output> inputs;  // none may be scratch
  std::vector<SourceLocation> locations;
  // Set for an op that came from somebody else's definition: emitted as it is.
  std::string original_bytes;

  // The index in `inputs` of `input`, added when it is new; -1 for scratch.
  int64_t AddInput(const Output& input);

  // Marks that the daemon must know capability `id` to run this op.
  void AddCapability(const std::string& id) { (*metadata.mutable_caps())[id] = true; }

  // What progress shows instead of a name made from the op.
  void SetName(const std::string& name) {
    (*metadata.mutable_description())["llb.customname"] = name;
  }
};

// The definition of `target`, with metadata and source maps of every op it needs. Scratch gives an
// empty definition.
pb::Definition Marshal(const Output& target);

// The digest `output`'s vertex gets in Marshal(), for references to it (warnings, for example).
// REQUIRES: !output.is_scratch()
Digest DigestOf(const Output& output);

// The target of a loaded graph as an output, its ops kept byte for byte.
Output FromGraph(const Graph& graph);

// Common ops. Callers fill in metadata afterwards through output.node.

// A source with its identifier ("docker-image://..") and attributes.
Output Source(const std::string& identifier);

// What remains of `inputs` laid over each other; scratch inputs are dropped and fewer than two
// inputs need no op at all.
Output Merge(const std::vector<Output>& inputs);

}  // namespace cairn::llb
