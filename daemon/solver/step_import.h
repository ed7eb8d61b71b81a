// What a build may take from caches elsewhere: which steps they know, and what those came to.
//
// The solver asks for a key that its own table does not have. A hit is believed by its content
// digest alone at first ("content only": layer::Layer::content_only), so that keys further up can
// be computed; bytes are fetched when something is to be done with them, and then checked against
// that digest. Whatever goes wrong is a miss: a cache is never an input to success.
//
// Implementations are thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "cache/gc/ledger.h"
#include "cache/layer/chain.h"
#include "daemon/solver/op.h"
#include "runtime/base/cancel.h"

namespace cairn::solver {

struct ImportedOutput {
  // Index of the step input that it lies on; -1 for none.
  int base_input = -1;
  Digest content;  // of the whole
  // How many layers lie on the base; nullopt when they cannot be fetched.
  std::optional<size_t> layers;
};

// One step of a cache elsewhere.
class ImportedStep {
 public:
  virtual ~ImportedStep() = default;
  virtual const std::vector<ImportedOutput>& outputs() const = 0;
  virtual absl::Duration duration() const = 0;
  // Brings in the layers that there are, on top of these inputs; those that they lie on are whole.
  // Outputs without layers stay content only. kDataLoss when layers do not come to what was
  // announced.
  virtual StatusOr<std::vector<OpOutput>> Fetch(const std::vector<layer::Chain>& inputs,
                                                gc::Lease& lease, const CancelToken& cancel) = 0;
  // Whether Fetch has anything to fetch.
  bool fetchable() const {
    for (const ImportedOutput& output : outputs()) {
      if (output.layers) {
        return true;
      }
    }
    return false;
  }
};

class StepImports {
 public:
  virtual ~StepImports() = default;
  // The step `key`; nullptr for a miss. May wait, for a bounded time, until the cache has been
  // read.
  virtual std::shared_ptr<ImportedStep> Find(const Digest& key, const CancelToken& cancel) = 0;
  // The content digest of the selection (SelectionKey) of a tree that is known by its content only.
  virtual std::optional<Digest> FindSelection(const Digest& content, const Digest& selection) = 0;
};

// The outputs of `imported` on top of `inputs`, content only where layers would be; nullopt when
// that makes no sense for these inputs. `key` is the step's.
std::optional<std::vector<OpOutput>> ContentOnlyOutputs(const ImportedStep& imported,
                                                        const Digest& key,
                                                        const std::vector<layer::Chain>& inputs);

// Whether some layer of `chain` is content only.
bool HasContentOnly(const layer::Chain& chain);

// What a cache elsewhere is to be told of a step that is done.
struct ExportableStep {
  struct Output {
    int base_input = -1;
    Digest content;
    std::vector<layer::Layer> layers;  // on top of the base
  };
  struct Selection {
    Digest content;
    Digest selection;
    Digest result;
  };
  Digest key;
  std::vector<Output> outputs;
  std::vector<Selection> selections;  // that its key was made of
};

}  // namespace cairn::solver
