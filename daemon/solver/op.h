// Op: how one vertex of a graph gets its key and runs. Implemented in daemon/source and daemon/ops,
// made by the OpFactory that the composition root passes to the solver.
//
// The solver calls Prepare, works out the step key from what it returned, looks the key up, and
// calls Run only on a miss. Both run on worker threads; an Op is used by one vertex and by one
// thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/gc/ledger.h"
#include "cache/layer/chain.h"
#include "cache/steps/step_table.h"
#include "cache/tree/algebra.h"
#include "daemon/llb/graph.h"
#include "daemon/session/session_group.h"
#include "daemon/solver/entitlements.h"
#include "daemon/solver/progress.h"
#include "daemon/solver/ref.h"
#include "runtime/base/cancel.h"

namespace cairn::solver {

class Job;

// Everything an operation may use besides its inputs. Lives as long as the call.
struct OpContext {
  CancelToken cancel;
  VertexReporter& reporter;
  // The sessions of all builds that want this vertex, in order.
  session::SessionGroup& sessions;
  // What the builds that want this vertex may do (the intersection).
  const Entitlements& entitlements;
  gc::Lease& lease;
  // For an op that solves a definition of its own (BuildOp): the build it belongs to.
  Job& job;
  // Keeps a state until the builds that want this vertex end; returns the id by which clients may
  // start containers on it.
  std::function<std::string(RefPtr)> keep;
};

// One thing that an op's key depends on: an input's whole tree, or a selection of it.
struct KeyInput {
  int input = 0;
  // Absent: the whole tree.
  std::optional<tree::Selection> selection;
};

struct OpOutput {
  layer::Chain chain;
  // The input whose chain this output extends, or -1.
  int base_input = -1;
};

struct Prepared {
  // The key's pre-image so far; the solver adds a line per KeyInput. Without a key the step is
  // neither looked up nor recorded (then `ready` must be set, or the op always runs).
  std::optional<steps::KeyBuilder> key;
  std::vector<KeyInput> inputs;
  // Set when preparing was all the work (a local source whose files have just been received).
  std::optional<std::vector<OpOutput>> ready;
  // What a source was pinned to: a digest, a commit; empty for what is no source or has no pin.
  std::string pin;
  // Ledger type and description of the record that a run makes.
  gc::RecordType record_type = gc::RecordType::kRegular;
};

class Op {
 public:
  virtual ~Op() = default;

  // Pins what is not yet pinned (a tag to a digest, a URL to an ETag, a local directory to its
  // tree) and says what the key is made of. Needs no inputs, so it may run before them.
  virtual StatusOr<Prepared> Prepare(OpContext& context) = 0;

  // Runs the step on the chains of its inputs. One output per output index of the op.
  virtual StatusOr<std::vector<OpOutput>> Run(OpContext& context,
                                              const std::vector<layer::Chain>& inputs) = 0;

  // True for steps that take a slot of the executor (processes), false for what is only metadata or
  // waits on the network.
  virtual bool takes_slot() const { return false; }
};

// kInvalidArgument when the vertex is malformed, kUnimplemented when its op or a capability is
// unknown.
using OpFactory = std::function<StatusOr<std::unique_ptr<Op>>(const llb::Vertex& vertex)>;

}  // namespace cairn::solver
