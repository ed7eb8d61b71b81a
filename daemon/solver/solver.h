// The solver: one for the whole daemon. Turns graphs into results, one run per step key however
// many builds want it.
//
// Deciding is one thread (the scheduler, which owns a Plan), doing is many (workers that prepare
// and run Ops). Solver and Job are thread-safe; the solver outlives its jobs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cache/gc/ledger.h"
#include "cache/layer/chain_store.h"
#include "cache/steps/step_table.h"
#include "daemon/devices/device_registry.h"
#include "daemon/session/session_group.h"
#include "daemon/solver/build_memory.h"
#include "daemon/solver/entitlements.h"
#include "daemon/solver/log_clipper.h"
#include "daemon/solver/op.h"
#include "daemon/solver/progress.h"
#include "daemon/solver/ref.h"
#include "daemon/solver/step_import.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

namespace cairn::solver {

struct SolverOptions {
  OpFactory make_op;
  layer::ChainStore& chains;
  steps::StepTable& steps;
  gc::Ledger& ledger;
  session::SessionManager& sessions;
  const Clock& clock;
  Logger& log;
  // What steps may ask for; null: the host has no devices for them.
  const devices::DeviceRegistry* devices = nullptr;
  LogLimits log_limits = {};
  int slots = 0;    // process steps at once; 0 = number of processors
  int workers = 0;  // threads for everything else; 0 = a default
};

// Sees every definition that a build loads, wherever it comes from, and returns what is loaded in
// its place: it may rewrite sources, or refuse.
using DefinitionGate =
    std::function<StatusOr<pb::Definition>(const pb::Definition&, const CancelToken&)>;

struct JobOptions {
  std::string id;  // SolveRequest.Ref
  std::vector<std::string> session_ids;
  Entitlements entitlements;
  bool internal = false;
  DefinitionGate gate;  // may be empty
};

// One build. Destroying it (or Cancel) lets go of everything only this build wanted.
class Job {
 public:
  virtual ~Job() = default;
  virtual const std::string& id() const = 0;

  // Adds a graph, as the gate lets it through, and returns its target, unsolved. kInvalidArgument
  // for a malformed definition, the gate's errors. A null Ref for an empty definition (scratch).
  virtual StatusOr<RefPtr> Load(const pb::Definition& definition) = 0;

  // Runs `work` as a vertex of its own that is in no graph (exporters, metadata look-ups, imports):
  // shows up in the progress under `digest` and `name`, started and completed with work's error.
  virtual Status RunVertex(const Digest& digest, const std::string& name,
                           const std::function<Status(VertexReporter&)>& work) = 0;

  // Has steps that this build wants looked up in `imports` too, after the daemon's own table and
  // what was added before.
  virtual void AddImports(std::shared_ptr<StepImports> imports) = 0;

  virtual ProgressLog& progress() = 0;
  virtual session::SessionGroup& sessions() = 0;
  virtual const Entitlements& entitlements() const = 0;
  virtual gc::Lease& lease() = 0;
  virtual BuildMemory& memory() = 0;
  virtual CancelToken cancel() const = 0;

  // Ends the build: running steps that nobody else wants are killed.
  virtual void Cancel(string_view reason) = 0;
};

class Solver {
 public:
  static StatusOr<std::unique_ptr<Solver>> Create(SolverOptions options);
  virtual ~Solver() = default;

  // kAlreadyExists "job ID x exists" for an id in use. The job stays findable until it is
  // destroyed; its progress can be read for 10 s longer.
  virtual StatusOr<std::unique_ptr<Job>> NewJob(JobOptions options) = 0;

  // The progress of build `id`; waits up to `wait` for it to appear. kNotFound "no such job <id>".
  virtual StatusOr<std::shared_ptr<ProgressLog>> FindProgress(const std::string& id,
                                                              absl::Duration wait,
                                                              const CancelToken& cancel) = 0;

  // What each running build is waiting for, in words, for operators.
  virtual std::vector<std::string> DescribeWaits() = 0;
};

}  // namespace cairn::solver
