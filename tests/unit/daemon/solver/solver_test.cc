#include "daemon/solver/solver.h"

#include <map>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/llb/errors.h"
#include "tests/unit/daemon/solver/solver_fixture.h"

namespace cairn::solver {
namespace {

using ::cairn::testing::IsOk;
using ::cairn::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST_F(SolverTest, RunsWhatTheTargetNeedsAndCachesIt) {
  const auto target = Vertex("b", {Vertex("a")});
  {
    const auto job = NewJob("1");
    const auto chain = Build(*job, target);
    ASSERT_OK(chain);
    EXPECT_EQ(chain->layers.size(), 2u);
    EXPECT_THAT(script_.TakeRuns(), ElementsAre("a", "b"));
    EXPECT_EQ(States(*job)["b"], "done");
  }
  const auto job = NewJob("2");
  ASSERT_OK(Build(*job, target));
  EXPECT_THAT(script_.TakeRuns(), IsEmpty());
  EXPECT_EQ(States(*job)["a"], "cached");
  EXPECT_EQ(States(*job)["b"], "cached");
}

TEST_F(SolverTest, StepOnEqualContentIsAHitWhateverMadeIt) {
  {
    const auto job = NewJob("1");
    ASSERT_OK(Build(*job, Vertex("b", {Vertex("a")})));
  }
  script_.TakeRuns();
  script_.Set("other", {.content = "a"});
  script_.Set("other b", {.content = "b"});
  const auto job = NewJob("2");
  const auto other = Vertex("other");
  other.node->metadata.set_ignore_cache(true);
  const auto chain = Build(*job, Vertex("other b", {other}));
  ASSERT_OK(chain);
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("other"));
}

TEST_F(SolverTest, IgnoreCacheRunsAgainAndRecords) {
  const auto target = Vertex("a");
  target.node->metadata.set_ignore_cache(true);
  for (const char* id : {"1", "2"}) {
    const auto job = NewJob(id);
    ASSERT_OK(Build(*job, target));
    EXPECT_THAT(script_.TakeRuns(), ElementsAre("a"));
  }
  const auto job = NewJob("3");
  ASSERT_OK(Build(*job, Vertex("a")));
  EXPECT_THAT(script_.TakeRuns(), IsEmpty());
}

TEST_F(SolverTest, FailureCarriesTheVertexAndIsRetriedByALaterBuild) {
  script_.Set("a", {.error = "boom"});
  const auto source = Vertex("a");
  const auto target = Vertex("b", {source});
  {
    const auto job = NewJob("1");
    const auto failed = Build(*job, target);
    EXPECT_THAT(failed, StatusIs(absl::StatusCode::kUnknown, "boom"));
    EXPECT_EQ(llb::VertexOf(failed.status()), llb::DigestOf(source));
    EXPECT_EQ(States(*job)["a"], "failed: boom");
    EXPECT_EQ(States(*job)["b"], "announced");
  }
  script_.Set("a", {});
  const auto job = NewJob("2");
  EXPECT_OK(Build(*job, target));
}

TEST_F(SolverTest, AMissingInputOfTheKeyIsKeptForTheClient) {
  script_.Set("b", {.selects = "/missing"});
  const auto job = NewJob("1");

  const auto failed = Build(*job, Vertex("b", {Vertex("a")}));

  EXPECT_THAT(failed,
              StatusIs(absl::StatusCode::kNotFound,
                       ::testing::StartsWith(
                           "failed to compute cache key: failed to calculate checksum of ref ")));
  const std::optional<errdefs::Solve> solve = llb::SolveOf(failed.status());
  ASSERT_TRUE(solve.has_value());
  EXPECT_EQ(solve->cache().index(), 0);
  EXPECT_TRUE(solve->op().has_passthrough());
  EXPECT_THAT(solve->mountids(), IsEmpty());
  ASSERT_EQ(solve->inputids_size(), 1);
  const RefPtr kept = job->memory().Find(solve->inputids(0));
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(kept->Evaluate({})->content, Build(*job, Vertex("a"))->content);
  EXPECT_EQ(job->memory().Find("unknown"), nullptr);
}

TEST_F(SolverTest, TwoBuildsShareOneRun) {
  script_.Set("a", {.blocks = true});
  const auto first = NewJob("1");
  const auto second = NewJob("2");
  StatusOr<layer::Chain> a = absl::UnknownError("");
  std::thread other([&] { a = Build(*first, Vertex("a")); });
  script_.WaitForRun("a");
  const auto ref = second->Load(llb::Marshal(Vertex("a")));
  ASSERT_OK(ref);
  script_.release().Cancel();
  const auto b = (*ref)->Evaluate({});
  other.join();
  ASSERT_OK(a);
  ASSERT_OK(b);
  EXPECT_EQ(a->content, b->content);
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("a"));
}

TEST_F(SolverTest, StepsWithOneKeyRunOnce) {
  script_.Set("x", {.content = "same", .blocks = true});
  script_.Set("y", {.content = "same", .blocks = true});
  const auto job = NewJob("1");
  StatusOr<layer::Chain> built = absl::UnknownError("");
  std::thread other([&] { built = Build(*job, Vertex("t", {Vertex("x"), Vertex("y")})); });
  while (solver_->DescribeWaits().empty() ||
         !absl::StrContains(solver_->DescribeWaits()[0], "(following")) {
    std::this_thread::yield();
  }
  script_.release().Cancel();
  other.join();
  ASSERT_OK(built);
  EXPECT_EQ(script_.TakeRuns().size(), 2u);  // one of x and y, and t
}

TEST_F(SolverTest, CancelledEvaluationStopsTheStep) {
  script_.Set("a", {.blocks = true});
  const auto job = NewJob("1");
  const auto ref = job->Load(llb::Marshal(Vertex("a")));
  ASSERT_OK(ref);
  CancelSource cancel;
  StatusOr<layer::Chain> result = absl::UnknownError("");
  std::thread other([&] { result = (*ref)->Evaluate(cancel.token()); });
  script_.WaitForRun("a");
  cancel.Cancel();
  other.join();
  EXPECT_TRUE(absl::IsCancelled(result.status()));
  script_.release().Cancel();
  EXPECT_OK((*ref)->Evaluate({}));
}

// Observed: a client that was interrupted had ended while processes of its build were still dying.
TEST_F(SolverTest, ABuildEndsAfterTheStepsThatItStops) {
  script_.Set("a", {.blocks = true, .lingers = true});
  auto job = NewJob("1");
  const auto ref = job->Load(llb::Marshal(Vertex("a")));
  ASSERT_OK(ref);
  std::thread other([&] { (*ref)->Evaluate({}).status().IgnoreError(); });
  script_.WaitForRun("a");
  job.reset();
  EXPECT_THAT(script_.left(), ElementsAre("a"));
  other.join();
}

TEST_F(SolverTest, EndOfOneBuildLeavesTheStepToTheOther) {
  script_.Set("a", {.blocks = true});
  auto first = NewJob("1");
  const auto second = NewJob("2");
  const auto one = first->Load(llb::Marshal(Vertex("a")));
  const auto two = second->Load(llb::Marshal(Vertex("a")));
  StatusOr<layer::Chain> a = absl::UnknownError("");
  StatusOr<layer::Chain> b = absl::UnknownError("");
  std::thread t1([&] { a = (*one)->Evaluate({}); });
  script_.WaitForRun("a");
  std::thread t2([&] { b = (*two)->Evaluate({}); });
  while (solver_->DescribeWaits().size() < 2) {
    std::this_thread::yield();
  }
  first.reset();
  t1.join();
  script_.release().Cancel();
  t2.join();
  EXPECT_TRUE(absl::IsCancelled(a.status()));
  EXPECT_OK(b);
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("a"));
}

TEST_F(SolverTest, LostBytesMakeTheStepRunAgain) {
  const auto source = Vertex("a");
  {
    const auto job = NewJob("1");
    ASSERT_OK(Build(*job, source));
  }
  script_.TakeRuns();
  ASSERT_OK(blobs_->Remove({Digest::Of("a")}, [](const Digest&) {}));
  script_.Set("b", {.reads = "a"});
  const auto job = NewJob("2");
  ASSERT_OK(Build(*job, Vertex("b", {source})));
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("b", "a", "b"));
}

// The step between kept the layers that were lost, and b ran three times for nothing.
TEST_F(SolverTest, BytesLostFurtherDownAreMadeAgainToo) {
  const auto source = Vertex("a");
  const auto middle = Vertex("m", {source});
  {
    const auto job = NewJob("1");
    ASSERT_OK(Build(*job, middle));
  }
  script_.TakeRuns();
  ASSERT_OK(blobs_->Remove({Digest::Of("a")}, [](const Digest&) {}));
  script_.Set("b", {.reads = "a"});
  const auto job = NewJob("2");
  ASSERT_OK(Build(*job, Vertex("b", {middle})));
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("b", "a", "b"));
}

TEST_F(SolverTest, ResultIsRepairedForItsUser) {
  {
    const auto job = NewJob("1");
    ASSERT_OK(Build(*job, Vertex("b", {Vertex("a")})));
  }
  script_.TakeRuns();
  ASSERT_OK(blobs_->Remove({Digest::Of("a")}, [](const Digest&) {}));
  const auto job = NewJob("2");
  ASSERT_OK_AND_ASSIGN(const RefPtr ref, job->Load(llb::Marshal(Vertex("b", {Vertex("a")}))));
  ASSERT_OK_AND_ASSIGN(const layer::Chain before, ref->Evaluate({}));

  EXPECT_TRUE(ref->Repair());

  EXPECT_THAT(ref->Evaluate({}), ::cairn::testing::IsOkAndHolds(before));
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("a"));
  EXPECT_THAT(blobs_->Contains(Digest::Of("a")), ::cairn::testing::IsOkAndHolds(true));
  EXPECT_FALSE(ref->Repair());
}

// The record was erased without a trace, so that nothing could tell an eviction from a new step.
TEST_F(SolverTest, CollectedStepLeavesWhenItWas) {
  const absl::Time before = absl::Now();
  {
    const auto job = NewJob("1");
    ASSERT_OK(Build(*job, Vertex("a")));
  }
  ASSERT_OK_AND_ASSIGN(const auto records, ledger_->List());
  ASSERT_EQ(records.size(), 1u);
  ASSERT_OK_AND_ASSIGN(const Digest key, Digest::FromHex(records[0].identity.substr(5)));
  ASSERT_OK(ledger_->Remove(records[0].identity));

  ASSERT_OK_AND_ASSIGN(const auto evicted, steps_->FindEviction(key));
  ASSERT_TRUE(evicted.has_value());
  EXPECT_GE(*evicted, before);
  EXPECT_THAT(steps_->FindPreimage(key),
              ::cairn::testing::IsOkAndHolds(::testing::Ne(std::nullopt)));
  script_.TakeRuns();
  const auto job = NewJob("2");
  ASSERT_OK(Build(*job, Vertex("a")));
  EXPECT_THAT(script_.TakeRuns(), ElementsAre("a"));
}

TEST_F(SolverTest, StepWithoutKeyRunsEachTime) {
  script_.Set("a", {.has_key = false});
  for (const char* id : {"1", "2"}) {
    const auto job = NewJob(id);
    ASSERT_OK(Build(*job, Vertex("a")));
    EXPECT_THAT(script_.TakeRuns(), ElementsAre("a"));
  }
}

TEST_F(SolverTest, JobIdsAreUniqueAndProgressOutlivesTheJob) {
  auto job = NewJob("1");
  EXPECT_THAT(solver_->NewJob({.id = "1"}),
              StatusIs(absl::StatusCode::kAlreadyExists, "job ID 1 exists"));
  job.reset();
  const auto progress = solver_->FindProgress("1", absl::ZeroDuration(), {});
  ASSERT_OK(progress);
  EXPECT_TRUE((*progress)->Subscribe()->Next({})->empty());
  EXPECT_THAT(solver_->FindProgress("2", absl::ZeroDuration(), {}),
              StatusIs(absl::StatusCode::kNotFound, "no such job 2"));
}

TEST_F(SolverTest, RunVertexShowsItsWork) {
  const auto job = NewJob("1");
  EXPECT_OK(job->RunVertex(Digest::Of("x"), "exporting", [](VertexReporter& reporter) {
    reporter.Log(1, "hello");
    return absl::OkStatus();
  }));
  EXPECT_FALSE(job->RunVertex(Digest::Of("y"), "pushing",
                              [](VertexReporter&) { return absl::UnavailableError("no registry"); })
                   .ok());
  auto states = States(*job);
  EXPECT_EQ(states["exporting"], "done");
  EXPECT_EQ(states["pushing"], "failed: no registry");
}

TEST_F(SolverTest, EmptyDefinitionIsScratch) {
  const auto job = NewJob("1");
  const auto ref = job->Load(pb::Definition());
  ASSERT_OK(ref);
  EXPECT_EQ(*ref, nullptr);
}

TEST_F(SolverTest, ManyBuildsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([this, i, &failures] {
      const auto job = NewJob(absl::StrCat(i));
      const auto shared = Vertex("shared", {Vertex("base")});
      if (!Build(*job, Vertex(absl::StrCat("own", i), {shared})).ok()) {
        ++failures;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(script_.TakeRuns().size(), 22u);
}

}  // namespace
}  // namespace cairn::solver
