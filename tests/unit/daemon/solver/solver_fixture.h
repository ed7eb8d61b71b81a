// A solver on real stores whose operations do what a test's script says.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/tree/editor.h"
#include "daemon/llb/builder.h"
#include "daemon/solver/solver.h"
#include "tests/unit/testing.h"

namespace cairn::solver {

// What the fake operations of a test do, by vertex name. Thread-safe.
class Script {
 public:
  struct Behaviour {
    std::string content;  // of the one file that the step adds; default its name
    std::string error;
    std::string reads;     // content of an input's file that the step reads
    std::string selects;   // path of an input that the key depends on alone
    bool blocks = false;   // until the build is cancelled or Release
    bool lingers = false;  // takes its time after that
    bool has_key = true;
    bool from_scratch = false;  // lies on nothing, whatever its inputs are
  };

  void Set(const std::string& name, Behaviour behaviour) {
    MutexLock lock(mu_);
    behaviours_[name] = std::move(behaviour);
  }
  Behaviour Get(const std::string& name) {
    MutexLock lock(mu_);
    Behaviour behaviour = behaviours_[name];
    if (behaviour.content.empty()) {
      behaviour.content = name;
    }
    return behaviour;
  }
  void Ran(const std::string& name) {
    MutexLock lock(mu_);
    runs_.push_back(name);
    changed_.NotifyAll();
  }
  std::vector<std::string> TakeRuns() {
    MutexLock lock(mu_);
    return std::exchange(runs_, {});
  }
  void WaitForRun(const std::string& name) {
    MutexLock lock(mu_);
    while (std::find(runs_.begin(), runs_.end(), name) == runs_.end()) {
      changed_.Wait(mu_);
    }
  }
  // Steps that blocked, once they go on.
  void Left(const std::string& name) {
    MutexLock lock(mu_);
    left_.push_back(name);
  }
  std::vector<std::string> left() {
    MutexLock lock(mu_);
    return left_;
  }
  CancelSource& release() { return release_; }

 private:
  Mutex mu_;
  CondVar changed_;
  std::map<std::string, Behaviour> behaviours_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> runs_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> left_ ABSL_GUARDED_BY(mu_);
  CancelSource release_;
};

// Adds a file to its first input. Its key is the content it will write, not its name.
class FakeOp final : public Op {
 public:
  FakeOp(const llb::Vertex& vertex, Script& script, layer::ChainStore& chains)
      : name_(vertex.name),
        inputs_(static_cast<int>(vertex.inputs.size())),
        script_(script),
        chains_(chains) {}

  StatusOr<Prepared> Prepare(OpContext&) override {
    Prepared prepared;
    if (script_.Get(name_).has_key) {
      prepared.key = steps::KeyBuilder("fake 1").Add("content", script_.Get(name_).content);
    }
    for (int i = 0; i < inputs_; ++i) {
      prepared.inputs.push_back({.input = i});
      if (const std::string path = script_.Get(name_).selects; !path.empty()) {
        prepared.inputs.back().selection = tree::Selection{.paths = {path}};
      }
    }
    return prepared;
  }

  StatusOr<std::vector<OpOutput>> Run(OpContext& context,
                                      const std::vector<layer::Chain>& inputs) override {
    const Script::Behaviour behaviour = script_.Get(name_);
    script_.Ran(name_);
    context.reporter.Log(1, absl::StrCat("log of ", name_));
    if (behaviour.blocks) {
      CancelSource either(context.cancel);
      const CancelCallback released(script_.release().token(), [&either] { either.Cancel(); });
      either.token().WaitFor(absl::Seconds(30));
      for (int i = 0; behaviour.lingers && i < 1000; ++i) {
        std::this_thread::yield();
      }
      script_.Left(name_);
      RETURN_IF_ERROR(context.cancel.Check());
    }
    if (!behaviour.reads.empty()) {
      RETURN_IF_ERROR(chains_.trees().blobs().Read(Digest::Of(behaviour.reads)).status());
    }
    if (!behaviour.error.empty()) {
      return absl::UnknownError(behaviour.error);
    }
    ASSIGN_OR_RETURN(layer::Chain base, chains_.Scratch());
    const bool extends = !inputs.empty() && !behaviour.from_scratch;
    if (extends) {
      base = inputs[0];
    }
    ASSIGN_OR_RETURN(const tree::TreeRef below, chains_.TreeOf(base));
    tree::Editor editor(chains_.trees(), below);
    tree::Entry entry;
    ASSIGN_OR_RETURN(entry.file, chains_.trees().blobs().Put(behaviour.content));
    entry.size = behaviour.content.size();
    RETURN_IF_ERROR(editor.Put(behaviour.content, entry));
    ASSIGN_OR_RETURN(const tree::TreeRef tree, editor.Commit());
    ASSIGN_OR_RETURN(layer::Chain chain, chains_.Extend(base, tree, true));
    return std::vector<OpOutput>{{.chain = std::move(chain), .base_input = extends ? 0 : -1}};
  }

 private:
  const std::string name_;
  const int inputs_;
  Script& script_;
  layer::ChainStore& chains_;
};

class SolverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(database_, blob::Database::Open(directory_ / "db"));
    ASSERT_OK_AND_ASSIGN(blobs_, blob::BlobStore::Open(directory_ / "blobs", *database_));
    trees_ = std::make_unique<tree::TreeStore>(*blobs_);
    chains_ = std::make_unique<layer::ChainStore>(*trees_, *database_);
    steps_ = std::make_unique<steps::StepTable>(*database_);
    ASSERT_OK_AND_ASSIGN(ledger_, gc::Ledger::Open(*database_, *trees_));
    ASSERT_OK_AND_ASSIGN(
        solver_,
        Solver::Create(
            {.make_op = [this](const llb::Vertex& vertex) -> StatusOr<std::unique_ptr<Op>> {
               return std::make_unique<FakeOp>(vertex, script_, *chains_);
             },
             .chains = *chains_,
             .steps = *steps_,
             .ledger = *ledger_,
             .sessions = sessions_,
             .clock = clock_,
             .log = log_}));
  }

  std::unique_ptr<Job> NewJob(const std::string& id) {
    auto job = solver_->NewJob({.id = id});
    EXPECT_OK(job);
    return *std::move(job);
  }

  // A vertex named `name` on `inputs`.
  llb::Output Vertex(const std::string& name, std::vector<llb::Output> inputs = {}) {
    auto node = std::make_shared<llb::Node>();
    if (inputs.empty()) {
      node->op.mutable_source()->set_identifier("fake://" + name);
    } else {
      node->op.mutable_passthrough()->set_id(name);
      for (size_t i = 0; i < inputs.size(); ++i) {
        node->op.mutable_passthrough()->add_outputs(static_cast<int64_t>(i));
      }
    }
    node->inputs = std::move(inputs);
    node->SetName(name);
    return {.node = std::move(node)};
  }

  StatusOr<layer::Chain> Build(Job& job, const llb::Output& target) {
    ASSIGN_OR_RETURN(const RefPtr ref, job.Load(llb::Marshal(target)));
    return ref->Evaluate({});
  }

  // The last state of each vertex: "a done", "a cached", "a failed: x", "a announced".
  std::map<std::string, std::string> States(Job& job) {
    job.progress().Close();
    const auto subscription = job.progress().Subscribe();
    std::map<std::string, std::string> states;
    while (true) {
      const auto batch = subscription->Next({});
      if (!batch.ok() || batch->empty()) {
        return states;
      }
      for (const VertexEvent& event : batch->vertices) {
        states[event.name] = event.cached           ? "cached"
                             : !event.error.empty() ? "failed: " + event.error
                             : event.completed      ? "done"
                             : event.started        ? "started"
                                                    : "announced";
      }
    }
  }

  ::cairn::testing::TempDir directory_;
  SystemClock clock_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  session::SessionManager sessions_{log_};
  Script script_;
  std::unique_ptr<blob::Database> database_;
  std::unique_ptr<blob::BlobStore> blobs_;
  std::unique_ptr<tree::TreeStore> trees_;
  std::unique_ptr<layer::ChainStore> chains_;
  std::unique_ptr<steps::StepTable> steps_;
  std::unique_ptr<gc::Ledger> ledger_;
  std::unique_ptr<Solver> solver_;
};

}  // namespace cairn::solver
