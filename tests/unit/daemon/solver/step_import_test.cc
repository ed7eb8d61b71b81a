// Steps that a build takes from caches elsewhere.
#include "daemon/solver/step_import.h"

#include "daemon/solver/step_runner.h"
#include "tests/unit/daemon/solver/solver_fixture.h"

namespace cairn::solver {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// A step of a cache whose layers are in the store already.
class FakeStep final : public ImportedStep {
 public:
  FakeStep(ExportableStep step, bool has_layers) : step_(std::move(step)) {
    for (const ExportableStep::Output& output : step_.outputs) {
      outputs_.push_back({output.base_input, output.content,
                          has_layers ? std::optional<size_t>(output.layers.size()) : std::nullopt});
    }
  }
  const std::vector<ImportedOutput>& outputs() const override { return outputs_; }
  absl::Duration duration() const override { return absl::Seconds(1); }
  StatusOr<std::vector<OpOutput>> Fetch(const std::vector<layer::Chain>& inputs, gc::Lease&,
                                        const CancelToken&) override {
    ++fetches;
    RETURN_IF_ERROR(failure);
    std::vector<OpOutput> outputs;
    for (const ExportableStep::Output& output : step_.outputs) {
      OpOutput made{.chain = {.layers = {}, .content = output.content},
                    .base_input = output.base_input};
      if (output.base_input >= 0) {
        made.chain.layers = inputs[output.base_input].layers;
      }
      made.chain.layers.insert(made.chain.layers.end(), output.layers.begin(), output.layers.end());
      outputs.push_back(std::move(made));
    }
    return outputs;
  }

  Status failure;
  int fetches = 0;

 private:
  const ExportableStep step_;
  std::vector<ImportedOutput> outputs_;
};

class FakeImports final : public StepImports {
 public:
  std::shared_ptr<ImportedStep> Find(const Digest& key, const CancelToken&) override {
    const auto found = steps.find(key);
    return found == steps.end() ? nullptr : found->second;
  }
  std::optional<Digest> FindSelection(const Digest& content, const Digest& selection) override {
    for (const ExportableStep::Selection& known : selections) {
      if (known.content == content && known.selection == selection) {
        return known.result;
      }
    }
    return std::nullopt;
  }
  std::map<Digest, std::shared_ptr<FakeStep>> steps;
  std::vector<ExportableStep::Selection> selections;
};

class StepImportTest : public SolverTest {
 protected:
  // Builds `target`, forgets its steps, and returns a cache of them; those named in `bare` are in
  // it by their content only.
  std::shared_ptr<FakeImports> Export(const llb::Output& target,
                                      const std::vector<std::string>& bare = {}) {
    auto imports = std::make_shared<FakeImports>();
    const auto job = NewJob("exporting");
    const RefPtr ref = *job->Load(llb::Marshal(target));
    result_ = *ref->Evaluate({});
    keep_ = ledger_->NewLease();
    for (ExportableStep& step : ref->StepsToExport()) {
      EXPECT_OK(keep_->Use(StepRunner::IdentityOf(step.key)).status());
      const auto record = *steps_->Find(step.key);
      const bool has_layers =
          std::find(bare.begin(), bare.end(), record->description) == bare.end();
      EXPECT_OK(steps_->Erase(step.key));
      imports->selections.insert(imports->selections.end(), step.selections.begin(),
                                 step.selections.end());
      by_name_[record->description] = imports->steps[step.key] =
          std::make_shared<FakeStep>(step, has_layers);
    }
    script_.TakeRuns();
    return imports;
  }

  StatusOr<layer::Chain> BuildWith(const std::shared_ptr<FakeImports>& imports,
                                   const llb::Output& target) {
    job_ = NewJob("importing");
    job_->AddImports(imports);
    return Build(*job_, target);
  }

  layer::Chain result_{.layers = {}, .content = Digest::Of("")};
  std::unique_ptr<gc::Lease> keep_;
  std::map<std::string, std::shared_ptr<FakeStep>> by_name_;
  std::unique_ptr<Job> job_;
};

TEST_F(StepImportTest, WhatACacheHasIsNotRun) {
  const auto target = Vertex("b", {Vertex("a")});
  const auto chain = BuildWith(Export(target), target);
  ASSERT_OK(chain);
  EXPECT_EQ(*chain, result_);
  EXPECT_THAT(script_.TakeRuns(), IsEmpty());
  EXPECT_EQ(States(*job_)["a"], "cached");
  EXPECT_EQ(States(*job_)["b"], "cached");
  job_.reset();
  // It is this daemon's own now.
  const auto job = NewJob("later");
  ASSERT_OK(Build(*job, target));
  EXPECT_THAT(script_.TakeRuns(), IsEmpty());
  EXPECT_EQ(by_name_["b"]->fetches, 1);
}

TEST_F(StepImportTest, OnlyWhatTheResultConsistsOfIsFetched) {
  script_.Set("copy", {.selects = "/a", .from_scratch = true});
  const auto target = Vertex("copy", {Vertex("a")});
  const auto chain = BuildWith(Export(target), target);
  ASSERT_OK(chain);
  EXPECT_EQ(*chain, result_);
  EXPECT_THAT(script_.TakeRuns(), IsEmpty());
  EXPECT_EQ(by_name_["a"]->fetches, 0);
  EXPECT_EQ(by_name_["copy"]->fetches, 1);
  // What a cache is told next is not less than what it said.
  const RefPtr ref = *job_->Load(llb::Marshal(target));
  EXPECT_EQ(ref->StepsToExport().size(), 2u);
  EXPECT_TRUE(ref->Fetch());
  ASSERT_OK(ref->Evaluate({}));
  EXPECT_EQ(by_name_["a"]->fetches, 1);
  EXPECT_FALSE(ref->Fetch());
  EXPECT_THAT(script_.TakeRuns(), IsEmpty());
}

// mode=min: the cache knows what a stage came to, and has the layers of the result alone.
TEST_F(StepImportTest, AStageWhoseLayersTheCacheLacksIsNotRunForItsContent) {
  script_.Set("copy", {.selects = "/a", .from_scratch = true});
  const auto target = Vertex("copy", {Vertex("a")});
  const auto chain = BuildWith(Export(target, {"a"}), target);
  ASSERT_OK(chain);
  EXPECT_EQ(*chain, result_);
  EXPECT_THAT(script_.TakeRuns(), IsEmpty());
}

TEST_F(StepImportTest, AStepThatMissesHasItsInputMade) {
  const auto imports = Export(Vertex("a"), {"a"});
  const auto chain = BuildWith(imports, Vertex("new", {Vertex("a")}));
  ASSERT_OK(chain);
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("a", "new"));
  EXPECT_EQ(States(*job_)["new"], "done");
}

TEST_F(StepImportTest, ASelectionThatTheCacheDoesNotKnowHasTheInputFetched) {
  const auto imports = Export(Vertex("a"));
  script_.Set("new", {.selects = "/a"});
  ASSERT_OK(BuildWith(imports, Vertex("new", {Vertex("a")})));
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("new"));
  EXPECT_EQ(by_name_["a"]->fetches, 1);
}

TEST_F(StepImportTest, WhatCannotBeFetchedIsRunWithAWarning) {
  const auto target = Vertex("c", {Vertex("b", {Vertex("a")})});
  const auto imports = Export(target);
  by_name_["b"]->failure = absl::DataLossError("these are other bytes");
  const auto chain = BuildWith(imports, target);
  ASSERT_OK(chain);
  EXPECT_EQ(chain->content, result_.content);
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("b"));
  EXPECT_EQ(job_->progress().counts().warnings, 1);
}

TEST_F(StepImportTest, AMergeHasBothItsInputsBroughtIn) {
  script_.Set("merge", {.has_key = false});
  const auto target = Vertex("merge", {Vertex("a"), Vertex("b")});
  const auto imports = Export(target, {"b"});
  const auto chain = BuildWith(imports, target);
  ASSERT_OK(chain);
  EXPECT_THAT(script_.TakeRuns(), UnorderedElementsAre("b", "merge"));
}

TEST_F(StepImportTest, NonsenseOfACacheIsAMiss) {
  const auto target = Vertex("a");
  const auto imports = Export(target);
  ExportableStep step{.key = imports->steps.begin()->first,
                      .outputs = {{.base_input = 7, .content = Digest::Of(""), .layers = {}}},
                      .selections = {}};
  imports->steps.begin()->second = std::make_shared<FakeStep>(step, true);
  ASSERT_OK(BuildWith(imports, target));
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("a"));
}

}  // namespace
}  // namespace cairn::solver
