#include "daemon/caches/imported_cache.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace cairn::caches {
namespace {

// What the steps of one cache share.
struct Contents {
  std::vector<remote::CacheDocument> documents;
  std::shared_ptr<remote::CacheSource> source;
  remote::LayerIntake intake;
};

class KnownStep final : public solver::ImportedStep {
 public:
  KnownStep(std::shared_ptr<Contents> contents, const remote::CacheDocument& document,
            const remote::DocumentRecord& record)
      : contents_(std::move(contents)), document_(document), record_(record) {
    for (const remote::DocumentOutput& output : record.outputs) {
      outputs_.push_back(
          {output.base_input, output.content,
           output.layers ? std::optional<size_t>(output.layers->size()) : std::nullopt});
    }
  }

  const std::vector<solver::ImportedOutput>& outputs() const override { return outputs_; }
  absl::Duration duration() const override { return record_.duration; }

  StatusOr<std::vector<solver::OpOutput>> Fetch(const std::vector<layer::Chain>& inputs,
                                                gc::Lease& lease,
                                                const CancelToken& cancel) override {
    auto outputs = solver::ContentOnlyOutputs(*this, record_.key, inputs);
    if (!outputs) {
      return absl::DataLossError("the cache speaks of another step");
    }
    for (size_t i = 0; i < record_.outputs.size(); ++i) {
      const remote::DocumentOutput& known = record_.outputs[i];
      if (!known.layers) {
        continue;
      }
      ASSIGN_OR_RETURN(layer::Chain chain, contents_->intake.Scratch());
      if (known.base_input >= 0) {
        chain = inputs[known.base_input];
      }
      for (const size_t index : *known.layers) {
        ASSIGN_OR_RETURN(chain, contents_->intake.Put(chain, document_.layers[index],
                                                      *contents_->source, lease, cancel));
      }
      if (chain.content != known.content) {
        return absl::DataLossError(absl::StrCat("the layers come to ", chain.content.ToString(),
                                                ", the cache says ", known.content.ToString()));
      }
      (*outputs)[i].chain = std::move(chain);
    }
    return *std::move(outputs);
  }

 private:
  const std::shared_ptr<Contents> contents_;
  const remote::CacheDocument& document_;  // of contents_
  const remote::DocumentRecord& record_;
  std::vector<solver::ImportedOutput> outputs_;
};

}  // namespace

void ImportedCache::Set(std::vector<remote::CacheDocument> documents,
                        std::shared_ptr<remote::CacheSource> source,
                        const remote::LayerIntake& intake) {
  const auto contents =
      std::make_shared<Contents>(Contents{std::move(documents), std::move(source), intake});
  MutexLock lock(mu_);
  for (const remote::CacheDocument& document : contents->documents) {
    for (const remote::DocumentRecord& record : document.records) {
      auto step = std::make_shared<KnownStep>(contents, document, record);
      std::shared_ptr<solver::ImportedStep>& known = steps_[record.key];
      if (known == nullptr || (!known->fetchable() && step->fetchable())) {
        known = std::move(step);
      }
      for (const remote::DocumentSelection& selection : record.selections) {
        selections_.try_emplace({selection.content, selection.selection}, selection.result);
      }
    }
  }
  ready_ = true;
  changed_.NotifyAll();
}

void ImportedCache::SetUnreadable() {
  MutexLock lock(mu_);
  ready_ = true;
  changed_.NotifyAll();
}

std::shared_ptr<solver::ImportedStep> ImportedCache::Find(const Digest& key,
                                                          const CancelToken& cancel) {
  const CancelCallback wake(cancel, [this] {
    MutexLock lock(mu_);
    changed_.NotifyAll();
  });
  MutexLock lock(mu_);
  while (!ready_ && !cancel.cancelled()) {
    const absl::Duration left = deadline_ - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return nullptr;
    }
    changed_.WaitFor(mu_, left);
  }
  const auto found = steps_.find(key);
  return found == steps_.end() ? nullptr : found->second;
}

std::optional<Digest> ImportedCache::FindSelection(const Digest& content, const Digest& selection) {
  MutexLock lock(mu_);
  const auto found = selections_.find({content, selection});
  return found == selections_.end() ? std::nullopt : std::optional<Digest>(found->second);
}

}  // namespace cairn::caches
