// Ref: a filesystem state that a frontend has described and that is solved when somebody needs it.
//
// Thread-safe; shared by everybody who holds it. A Ref keeps its build's graph loaded.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cache/layer/chain.h"
#include "proto/ops.pb.h"
#include "runtime/base/cancel.h"
#include "runtime/base/digest.h"
#include "runtime/base/status.h"

namespace cairn::solver {

// What is known of a vertex that was solved.
struct SolvedVertex {
  std::string pin;                   // of a source: see Prepared::pin
  std::vector<layer::Chain> chains;  // by output
};

struct ExportableStep;

class Ref {
 public:
  virtual ~Ref() = default;

  // Solves it, once for all callers; a failure stays. An error carries the vertex and its source
  // lines.
  virtual StatusOr<layer::Chain> Evaluate(const CancelToken& cancel) = 0;

  // After a use of the result failed with kNotFound or kDataLoss: has the steps whose bytes are
  // gone run again when it is evaluated next. False when nothing is missing, so that trying again
  // would be of no use.
  virtual bool Repair() = 0;

  // Has layers that a cache elsewhere has, of steps below this solved one, brought in when it is
  // evaluated next, wanted or not. False when there are none.
  virtual bool Fetch() { return false; }

  // The definition that made it, as sent.
  virtual const pb::Definition& definition() const = 0;

  // The vertices of its graph that have been solved so far, by digest; none for a ref that was not
  // made from a definition.
  virtual std::map<Digest, SolvedVertex> Solved() { return {}; }

  // The steps of its graph that are done and that a cache elsewhere may be told of, inputs first.
  virtual std::vector<ExportableStep> StepsToExport();
};

// A null RefPtr is scratch: an empty result, legal everywhere a Ref is.
using RefPtr = std::shared_ptr<Ref>;

}  // namespace cairn::solver
