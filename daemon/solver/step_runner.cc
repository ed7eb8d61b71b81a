#include "daemon/solver/step_runner.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "daemon/llb/errors.h"
#include "runtime/base/fault_point.h"

namespace cairn::solver {
namespace {

// Whether `chain` starts with all layers of `base`.
bool Extends(const layer::Chain& chain, const layer::Chain& base) {
  return chain.layers.size() >= base.layers.size() &&
         std::equal(base.layers.begin(), base.layers.end(), chain.layers.begin());
}

steps::StepOutput RecordOf(const OpOutput& output, const std::vector<layer::Chain>& inputs) {
  steps::StepOutput record{.content = output.chain.content};
  size_t kept = 0;
  if (output.base_input >= 0 && Extends(output.chain, inputs[output.base_input])) {
    record.base_input = output.base_input;
    kept = inputs[output.base_input].layers.size();
  }
  record.layers.assign(output.chain.layers.begin() + static_cast<ptrdiff_t>(kept),
                       output.chain.layers.end());
  return record;
}

}  // namespace

std::string StepRunner::IdentityOf(const Digest& key) { return absl::StrCat("step:", key.hex()); }

std::vector<steps::StepOutput> StepRunner::RecordOf(const std::vector<OpOutput>& outputs,
                                                    const std::vector<layer::Chain>& inputs) {
  std::vector<steps::StepOutput> recorded;
  for (const OpOutput& output : outputs) {
    recorded.push_back(solver::RecordOf(output, inputs));
  }
  return recorded;
}

Digest SelectionKey(const tree::Selection& selection) {
  steps::KeyBuilder builder("selection 1");
  builder.AddNumber("wildcards", selection.wildcards ? 1 : 0);
  builder.AddNumber("follow", selection.follow ? 1 : 0);
  for (const std::string& path : selection.paths) {
    builder.Add("path", path);
  }
  for (const std::string& pattern : selection.include) {
    builder.Add("include", pattern);
  }
  for (const std::string& pattern : selection.exclude) {
    builder.Add("exclude", pattern);
  }
  return builder.key();
}

StatusOr<StepKey> StepRunner::ComputeKey(const Prepared& prepared,
                                         const std::vector<layer::Chain>& inputs,
                                         const FindSelection& find) {
  steps::KeyBuilder builder = *prepared.key;
  std::vector<ExportableStep::Selection> selections;
  for (const KeyInput& wanted : prepared.inputs) {
    const std::string name = absl::StrCat("input.", wanted.input);
    if (wanted.input < 0 || wanted.input >= static_cast<int>(inputs.size())) {
      return absl::InternalError(absl::StrCat("step key names ", name, " of ", inputs.size()));
    }
    const layer::Chain& chain = inputs[wanted.input];
    if (!wanted.selection || chain.layers.empty()) {
      builder.Add(name, chain.content);
      continue;
    }
    const Digest selection = SelectionKey(*wanted.selection);
    if (HasContentOnly(chain)) {
      const std::optional<Digest> known =
          find ? find(chain.content, selection) : std::optional<Digest>();
      if (!known) {
        return absl::NotFoundError(absl::StrCat(name, " is known by its content only"));
      }
      builder.Add(name, *known);
      selections.push_back({chain.content, selection, *known});
      continue;
    }
    const std::string context =
        absl::StrCat("failed to calculate checksum of ref ", chain.content.ToString());
    ASSIGN_OR_RETURN_IN(const tree::TreeRef tree, chains_.TreeOf(chain), context);
    const StatusOr<Digest> content = tree::ContentDigest(chains_.trees(), tree, *wanted.selection);
    if (!content.ok()) {
      errdefs::Solve solve;
      solve.mutable_cache()->set_index(wanted.input);
      return llb::WithSolve(Annotate(content.status(), context), solve);
    }
    builder.Add(name, *content);
    selections.push_back({chain.content, selection, *content});
  }
  return StepKey{
      .digest = builder.key(), .preimage = builder.text(), .selections = std::move(selections)};
}

std::optional<CachedStep> StepRunner::LookUp(const Digest& key,
                                             const std::vector<layer::Chain>& inputs,
                                             gc::Lease& lease) {
  auto record = steps_.Find(key);
  if (!record.ok()) {
    log_.Warn("step table look-up failed",
              {{"key", key.hex()}, {"error", record.status().ToString()}});
    return std::nullopt;
  }
  if (!*record) {
    return std::nullopt;
  }
  // In use before it is built upon, so that the collector cannot take it in between.
  const auto used = lease.Use(IdentityOf(key));
  if (!used.ok() || !*used) {
    return std::nullopt;
  }
  CachedStep cached{.duration = (*record)->duration};
  for (const steps::StepOutput& recorded : (*record)->outputs) {
    OpOutput output{.chain = {.content = recorded.content}, .base_input = recorded.base_input};
    if (recorded.base_input >= static_cast<int>(inputs.size())) {
      return std::nullopt;
    }
    if (recorded.base_input >= 0) {
      output.chain.layers = inputs[recorded.base_input].layers;
    }
    output.chain.layers.insert(output.chain.layers.end(), recorded.layers.begin(),
                               recorded.layers.end());
    cached.outputs.push_back(std::move(output));
  }
  return cached;
}

Status StepRunner::Write(const Run& run) {
  steps::StepRecord record{
      .description = run.description, .created = clock_.Now(), .duration = run.duration};
  gc::RecordDraft draft{.identity = IdentityOf(run.key.digest),
                        .type = run.type,
                        .description = run.description,
                        .parents = run.parents};
  for (const OpOutput& output : run.outputs) {
    record.outputs.push_back(solver::RecordOf(output, run.inputs));
    for (const layer::Layer& layer : record.outputs.back().layers) {
      draft.trees.push_back(layer.delta.digest);
      if (layer.original) {
        ASSIGN_OR_RETURN(const bool stored,
                         chains_.trees().blobs().Contains(layer.original->digest));
        if (stored) {
          draft.blobs.push_back(layer.original->digest);
        }
      }
    }
  }
  // The owner of the bytes first: a record in the step table always has one.
  RETURN_IF_ERROR(ledger_.Add(draft));
  CAIRN_FAULT_POINT("solver.record");
  return steps_.Insert(run.key.digest, run.key.preimage, record);
}

void StepRunner::Record(const Run& run, gc::Lease& lease) {
  Status status = Write(run);
  if (status.ok()) {
    status = lease.Use(IdentityOf(run.key.digest)).status();
  }
  if (!status.ok()) {
    log_.Warn(
        "step not recorded",
        {{"key", run.key.digest.hex()}, {"vertex", run.description}, {"error", status.ToString()}});
  }
}

bool StepRunner::IsWhole(const layer::Layer& layer) {
  blob::BlobStore& blobs = chains_.trees().blobs();
  const auto visit = [&blobs](const std::string& path, const tree::Entry& entry,
                              const tree::Directory*) -> StatusOr<tree::Visit> {
    if (!entry.file) {
      return tree::Visit::kContinue;
    }
    ASSIGN_OR_RETURN(const bool stored, blobs.Contains(*entry.file));
    if (!stored) {
      return absl::NotFoundError(path);
    }
    return tree::Visit::kContinue;
  };
  return tree::Walk(chains_.trees(), layer.delta, visit).ok();
}

void StepRunner::Erase(const Digest& key) {
  const Status status = steps_.Erase(key);
  log_.Warn("recorded bytes are gone; the step runs again",
            {{"key", key.hex()}, {"erase", status.ToString()}});
}

}  // namespace cairn::solver
