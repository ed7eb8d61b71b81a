// StepRunner: what workers do with the stores for a step: its key, the look-up, the record.
//
// Stateless apart from the stores, hence thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/gc/ledger.h"
#include "cache/layer/chain_store.h"
#include "cache/steps/step_table.h"
#include "daemon/solver/op.h"
#include "daemon/solver/step_import.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

namespace cairn::solver {

// A step's key with the text it is the digest of.
struct StepKey {
  Digest digest;
  std::string preimage;
  std::vector<ExportableStep::Selection> selections;  // that it was made of
};

// Names a selection, whatever tree it is of.
Digest SelectionKey(const tree::Selection& selection);

// The content digest of a selection (by its key) of a tree that is known by its content only, if
// some cache elsewhere knows it.
using FindSelection =
    std::function<std::optional<Digest>(const Digest& content, const Digest& selection)>;

struct CachedStep {
  std::vector<OpOutput> outputs;
  absl::Duration duration;  // of the run that made it
};

class StepRunner {
 public:
  // All outlive the runner.
  StepRunner(layer::ChainStore& chains, steps::StepTable& steps, gc::Ledger& ledger,
             const Clock& clock, Logger& log)
      : chains_(chains), steps_(steps), ledger_(ledger), clock_(clock), log_(log) {}

  // The key of a step with these inputs. kNotFound when it needs to look into an input that is
  // content only, and `find` does not know what it would see. REQUIRES: prepared.key.
  StatusOr<StepKey> ComputeKey(const Prepared& prepared, const std::vector<layer::Chain>& inputs,
                               const FindSelection& find = {});

  // The recorded outputs on top of these inputs, kept in use by `lease`; nullopt for a miss. A
  // failure of the store is a miss and a warning in the log: a cache is never an input to success.
  std::optional<CachedStep> LookUp(const Digest& key, const std::vector<layer::Chain>& inputs,
                                   gc::Lease& lease);

  struct Run {
    const StepKey& key;
    const std::vector<layer::Chain>& inputs;
    const std::vector<OpOutput>& outputs;
    gc::RecordType type = gc::RecordType::kRegular;
    std::string description;
    absl::Duration duration;
    std::vector<std::string> parents;  // ledger identities
  };
  // Records what a step made, durably. A failure costs only the next build a hit: it is logged.
  void Record(const Run& run, gc::Lease& lease);

  // Whether all bytes of the layer's files are in the store.
  bool IsWhole(const layer::Layer& layer);

  // Forgets a record that turned out to be hollow.
  void Erase(const Digest& key);

  static std::string IdentityOf(const Digest& key);

  // What `outputs` put on top of `inputs`, as it is recorded.
  static std::vector<steps::StepOutput> RecordOf(const std::vector<OpOutput>& outputs,
                                                 const std::vector<layer::Chain>& inputs);

 private:
  Status Write(const Run& run);

  layer::ChainStore& chains_;
  steps::StepTable& steps_;
  gc::Ledger& ledger_;
  const Clock& clock_;
  Logger& log_;
};

}  // namespace cairn::solver
