#include "daemon/solver/plan.h"

#include "tests/unit/testing.h"

namespace cairn::solver {
namespace {

using ::cairn::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// Runs a Plan by hand: actions are recorded as text ("run b"), steps are named by one letter.
class PlanTest : public ::testing::Test {
 protected:
  explicit PlanTest(int slots = 2) : plan_(slots) {}

  Plan::StepId Add(const std::string& name, const std::string& inputs = "",
                   Plan::StepOptions options = {}) {
    for (const char input : inputs) {
      options.inputs.push_back(ids_.at(std::string(1, input)));
    }
    const Plan::StepId id = plan_.Add(options);
    ids_[name] = id;
    names_[id] = name;
    return id;
  }
  Plan::StepId AddSlotted(const std::string& name, const std::string& inputs = "",
                          int expected_seconds = 0) {
    return Add(name, inputs, {.takes_slot = true, .expected = absl::Seconds(expected_seconds)});
  }

  void Want(int request, const std::string& target) {
    plan_.Want(Plan::RequestId{request}, ids_.at(target));
  }
  void Drop(int request) { plan_.Drop(Plan::RequestId{request}); }

  void Prepared(const std::string& names, bool has_key = true) {
    for (const char name : names) {
      plan_.Prepared(ids_.at(std::string(1, name)), {.has_key = has_key});
    }
  }
  void Key(const std::string& name, const std::string& key) {
    plan_.KeyComputed(ids_.at(name), Digest::Of(key));
  }
  void Miss(const std::string& name) { plan_.LookedUp(ids_.at(name), false); }
  void Hit(const std::string& name) { plan_.LookedUp(ids_.at(name), true); }
  void Ran(const std::string& name) { plan_.Ran(ids_.at(name)); }
  void Failed(const std::string& name, const Status& status, const std::string& lost = "") {
    plan_.Failed(ids_.at(name), status, Ids(lost));
  }
  void Lose(const std::string& names) { plan_.Lose(Ids(names)); }
  void InputsChanged(const std::string& name) { plan_.InputsChanged(ids_.at(name)); }
  std::vector<Plan::StepId> Ids(const std::string& names) {
    std::vector<Plan::StepId> ids;
    for (const char name : names) {
      ids.push_back(ids_.at(std::string(1, name)));
    }
    return ids;
  }
  // From prepared to running: its own key, and nothing in the table.
  void ToRunning(const std::string& name) {
    Key(name, name);
    Miss(name);
  }

  std::vector<std::string> Actions() {
    std::vector<std::string> texts;
    for (const Plan::Action& action : plan_.TakeActions()) {
      texts.push_back(Text(action));
    }
    return texts;
  }

  Plan::State State(const std::string& name) { return plan_.state(ids_.at(name)); }

  Plan plan_;
  std::map<std::string, Plan::StepId> ids_;
  std::map<Plan::StepId, std::string> names_;

 private:
  std::string Text(const Plan::Action& action) {
    const std::string name = names_[action.step];
    switch (action.kind) {
      case Plan::Action::Kind::kPrepare:
        return "prepare " + name;
      case Plan::Action::Kind::kComputeKey:
        return "key " + name;
      case Plan::Action::Kind::kLookUp:
        return "look up " + name;
      case Plan::Action::Kind::kFollow:
        return name + " follows " + names_[action.leader];
      case Plan::Action::Kind::kAdopt:
        return name + " adopts " + names_[action.leader];
      case Plan::Action::Kind::kRun:
        return "run " + name;
      case Plan::Action::Kind::kCancel:
        return "cancel " + name;
      case Plan::Action::Kind::kReset:
        return "reset " + name;
      case Plan::Action::Kind::kForget:
        return "forget " + name;
      case Plan::Action::Kind::kFinish:
        return "finish " + std::to_string(static_cast<int64_t>(action.request)) +
               (action.status.ok() ? "" : ": " + std::string(action.status.message()));
    }
    return "";
  }
};

TEST_F(PlanTest, OnlyWhatTheTargetNeedsIsPrepared) {
  Add("a");
  Add("b", "a");
  Add("c", "a");
  Want(1, "b");
  EXPECT_THAT(Actions(), ElementsAre("prepare a", "prepare b"));
}

TEST_F(PlanTest, KeyWaitsForInputsAndPreparation) {
  Add("a");
  Add("b", "a");
  Want(1, "b");
  Actions();
  Prepared("b");
  EXPECT_THAT(Actions(), IsEmpty());
  Prepared("a");
  EXPECT_THAT(Actions(), ElementsAre("key a"));
  Key("a", "ka");
  EXPECT_THAT(Actions(), ElementsAre("look up a"));
  Hit("a");
  EXPECT_THAT(Actions(), ElementsAre("key b"));
}

TEST_F(PlanTest, MissRunsAndFinishesTheRequest) {
  Add("a");
  Want(1, "a");
  Prepared("a");
  Key("a", "ka");
  Miss("a");
  EXPECT_THAT(Actions(), ElementsAre("prepare a", "key a", "look up a", "run a"));
  Ran("a");
  EXPECT_THAT(Actions(), ElementsAre("finish 1"));
}

TEST_F(PlanTest, DoneStepServesLaterRequestsAtOnce) {
  Add("a");
  Want(1, "a");
  Prepared("a");
  Key("a", "ka");
  Hit("a");
  Actions();
  Want(2, "a");
  EXPECT_THAT(Actions(), ElementsAre("finish 2"));
}

TEST_F(PlanTest, PreparingMayBeAllTheWork) {
  Add("a");
  Add("b", "a");
  Want(1, "b");
  Prepared("b");
  Actions();
  plan_.Prepared(ids_["a"], {.is_done = true});
  EXPECT_THAT(Actions(), ElementsAre("key b"));
}

TEST_F(PlanTest, StepWithoutKeyAlwaysRuns) {
  Add("a");
  Want(1, "a");
  Actions();
  Prepared("a", false);
  EXPECT_THAT(Actions(), ElementsAre("run a"));
}

TEST_F(PlanTest, InputUsedTwiceIsWaitedForOnce) {
  Add("a");
  Add("b", "aa");
  Want(1, "b");
  Prepared("ab");
  ToRunning("a");
  Actions();
  Ran("a");
  EXPECT_THAT(Actions(), ElementsAre("key b"));
}

TEST_F(PlanTest, IgnoreCacheSkipsTheLookUp) {
  Add("a", "", {.ignore_cache = true});
  Want(1, "a");
  Prepared("a");
  Actions();
  Key("a", "ka");
  EXPECT_THAT(Actions(), ElementsAre("run a"));
}

TEST_F(PlanTest, SecondStepWithOneKeyAdoptsTheResultOfTheFirst) {
  Add("a");
  Add("b");
  Want(1, "a");
  Want(2, "b");
  Prepared("ab");
  Actions();
  Key("a", "same");
  Key("b", "same");
  Miss("a");
  EXPECT_THAT(Actions(), ElementsAre("look up a", "b follows a", "run a"));
  Ran("a");
  EXPECT_THAT(Actions(), ElementsAre("b adopts a", "finish 1", "finish 2"));
}

TEST_F(PlanTest, FollowerOfAFailedStepRunsItself) {
  Add("a");
  Add("b");
  Want(1, "a");
  Want(2, "b");
  Prepared("ab");
  Key("a", "same");
  Key("b", "same");
  Miss("a");
  Actions();
  Failed("a", absl::UnknownError("no session"));
  EXPECT_THAT(Actions(), ElementsAre("look up b", "finish 1: no session"));
}

TEST_F(PlanTest, IgnoreCacheStepDoesNotAdoptAHit) {
  Add("a");
  Add("b", "", {.ignore_cache = true});
  Want(1, "a");
  Want(2, "b");
  Prepared("ab");
  Key("a", "same");
  Key("b", "same");
  Actions();
  Hit("a");
  EXPECT_THAT(Actions(), ElementsAre("run b", "finish 1"));
}

class OneSlotPlanTest : public PlanTest {
 protected:
  OneSlotPlanTest() : PlanTest(1) {}
};

TEST_F(OneSlotPlanTest, LongestExpectedPathGetsTheSlotFirst) {
  // c needs e, and a followed by b. e has to wait although it was ready before a.
  AddSlotted("e");
  AddSlotted("a", "", 1);
  AddSlotted("b", "a", 60);
  Add("c", "be");
  AddSlotted("x");
  Want(2, "x");
  Prepared("x");
  ToRunning("x");
  Want(1, "c");
  Prepared("eabc");
  ToRunning("e");
  ToRunning("a");
  Actions();
  Ran("x");
  EXPECT_THAT(Actions(), ElementsAre("finish 2", "run a"));
  Ran("a");
  EXPECT_THAT(Actions(), ElementsAre("key b", "run e"));
}

TEST_F(PlanTest, SlotsBoundProcessesOnly) {
  AddSlotted("a");
  AddSlotted("b");
  AddSlotted("c");
  Add("d");
  Add("t", "abcd");
  Want(1, "t");
  Prepared("abcdt");
  Actions();
  for (const char* name : {"a", "b", "c", "d"}) {
    ToRunning(name);
  }
  EXPECT_THAT(Actions(), ElementsAre("look up a", "run a", "look up b", "run b", "look up c",
                                     "look up d", "run d"));
  Failed("a", absl::UnknownError("exit 1"));
  EXPECT_THAT(Actions(), ElementsAre("finish 1: exit 1", "cancel b", "cancel d"));
}

TEST_F(PlanTest, FailedStepLeavesSiblingsOfOtherBuildsRunning) {
  Add("a");
  Add("b");
  Add("t", "ab");
  Want(1, "t");
  Want(2, "b");
  Prepared("abt");
  ToRunning("a");
  ToRunning("b");
  Actions();
  Failed("a", absl::UnknownError("boom"));
  EXPECT_THAT(Actions(), ElementsAre("finish 1: boom"));
  Ran("b");
  EXPECT_THAT(Actions(), ElementsAre("finish 2"));
  EXPECT_EQ(State("t"), Plan::State::kFailed);
}

TEST_F(PlanTest, WhatNobodyWantsIsCancelledAndStartsAnewWhenWanted) {
  Add("a");
  Want(1, "a");
  Prepared("a");
  ToRunning("a");
  Actions();
  Drop(1);
  EXPECT_THAT(Actions(), ElementsAre("cancel a"));
  Want(2, "a");
  EXPECT_THAT(Actions(), IsEmpty());
  Failed("a", absl::CancelledError("context canceled"));
  EXPECT_THAT(Actions(), ElementsAre("key a"));
}

TEST_F(PlanTest, SharedStepGoesOnWhenOneOfTwoBuildsEnds) {
  Add("a");
  Want(1, "a");
  Want(2, "a");
  Prepared("a");
  ToRunning("a");
  Actions();
  Drop(1);
  EXPECT_THAT(Actions(), IsEmpty());
  Ran("a");
  EXPECT_THAT(Actions(), ElementsAre("finish 2"));
}

TEST_F(PlanTest, ResultThatCameInSpiteOfCancellationIsKept) {
  Add("a");
  Want(1, "a");
  Prepared("a");
  ToRunning("a");
  Drop(1);
  Ran("a");
  EXPECT_EQ(State("a"), Plan::State::kDone);
}

TEST_F(PlanTest, StepRunsAgainWhenTheBuildThatRanItWentAway) {
  Add("a");
  Want(1, "a");
  Want(2, "a");
  Prepared("a");
  ToRunning("a");
  Drop(1);
  Actions();
  Failed("a", absl::CancelledError("context canceled"));
  EXPECT_THAT(Actions(), ElementsAre("key a"));
}

TEST_F(PlanTest, LostInputRunsAgainWithoutLookUp) {
  Add("a");
  Add("b", "a");
  Want(1, "b");
  Prepared("ab");
  Key("a", "ka");
  Hit("a");
  ToRunning("b");
  Actions();
  Failed("b", absl::DataLossError("blob is gone"), "a");
  EXPECT_THAT(Actions(), ElementsAre("reset a", "key a"));
  Key("a", "ka");
  EXPECT_THAT(Actions(), ElementsAre("run a"));
  Ran("a");
  EXPECT_THAT(Actions(), ElementsAre("key b"));
}

// What lay between the lost step and the failed one kept the old layers.
TEST_F(PlanTest, WhatWasMadeOfALostResultIsLookedUpAnew) {
  Add("a");
  Add("b", "a");
  Add("c", "b");
  Want(1, "c");
  Prepared("abc");
  Key("a", "ka");
  Hit("a");
  Key("b", "kb");
  Hit("b");
  ToRunning("c");
  Actions();
  Failed("c", absl::NotFoundError("blob is gone"), "a");
  EXPECT_THAT(Actions(), ElementsAre("reset a", "reset b", "key a"));
  Key("a", "ka");
  EXPECT_THAT(Actions(), ElementsAre("run a"));
  Ran("a");
  EXPECT_THAT(Actions(), ElementsAre("key b"));
  Key("b", "kb");
  EXPECT_THAT(Actions(), ElementsAre("look up b"));
  Hit("b");
  EXPECT_THAT(Actions(), ElementsAre("key c"));
}

TEST_F(PlanTest, ResultThatIsLostAfterItsRequestEndedIsMadeByTheNext) {
  Add("a");
  Add("b", "a");
  Want(1, "b");
  Prepared("ab");
  Key("a", "ka");
  Hit("a");
  Key("b", "kb");
  Hit("b");
  Actions();
  Lose("b");
  EXPECT_THAT(Actions(), ElementsAre("reset b"));
  Want(2, "b");
  EXPECT_THAT(Actions(), ElementsAre("key b"));
  Key("b", "kb");
  EXPECT_THAT(Actions(), ElementsAre("run b"));
  Ran("b");
  EXPECT_THAT(Actions(), ElementsAre("finish 2"));
}

TEST_F(PlanTest, StepThatWaitsForOthersWaitsForALostOneAgain) {
  Add("a");
  Add("b");
  Add("c", "ab");
  Add("d", "a");
  Want(1, "c");
  Want(2, "d");
  Prepared("abcd");
  Key("a", "ka");
  Hit("a");
  ToRunning("d");
  Actions();
  Failed("d", absl::NotFoundError("blob is gone"), "a");
  EXPECT_THAT(Actions(), ElementsAre("reset a", "key a"));
  Key("b", "kb");
  Hit("b");
  EXPECT_THAT(Actions(), ElementsAre("look up b"));
  Key("a", "ka");
  Ran("a");
  EXPECT_THAT(Actions(), UnorderedElementsAre("run a", "key c", "key d"));
}

TEST_F(PlanTest, StepWhoseInputWasLostWhileItRanWaitsForItAgain) {
  Add("a");
  Add("b", "a");
  Add("c", "a");
  Want(1, "b");
  Want(2, "c");
  Prepared("abc");
  Key("a", "ka");
  Hit("a");
  ToRunning("b");
  ToRunning("c");
  Actions();
  Failed("b", absl::NotFoundError("blob is gone"), "a");
  EXPECT_THAT(Actions(), ElementsAre("reset a", "key a"));
  for (int i = 0; i < 5; ++i) {  // as often as need be
    InputsChanged("c");
    EXPECT_THAT(Actions(), ElementsAre());
    Key("a", "ka");
    EXPECT_THAT(Actions(), ElementsAre("run a"));
    Ran("a");
    EXPECT_THAT(Actions(), ElementsAre("key b", "key c"));
    Lose("a");
    EXPECT_THAT(Actions(), ElementsAre("reset a"));
    InputsChanged("b");
    EXPECT_THAT(Actions(), ElementsAre("key a"));
  }
}

TEST_F(PlanTest, InputThatIsLostAgainAndAgainFailsTheStep) {
  Add("a");
  Add("b", "a");
  Want(1, "b");
  Prepared("ab");
  for (int i = 0; i < 4; ++i) {
    Key("a", "ka");
    if (i == 0) {
      Miss("a");
    }
    Ran("a");
    Actions();
    Failed("b", absl::DataLossError("blob is gone"), "a");
  }
  EXPECT_THAT(Actions(), ElementsAre("finish 1: blob is gone"));
}

TEST_F(PlanTest, RequestForAFailedStepEndsWithItsFailure) {
  Add("a");
  Add("b", "a");
  Want(1, "a");
  Failed("a", absl::NotFoundError("no such image"));
  Actions();
  Want(2, "b");
  EXPECT_THAT(Actions(), ElementsAre("finish 2: no such image"));
}

TEST_F(PlanTest, ForgottenStepGoesWhenItHasStopped) {
  Add("a");
  Want(1, "a");
  Actions();
  Drop(1);
  plan_.Forget(ids_["a"]);
  EXPECT_THAT(Actions(), ElementsAre("cancel a"));
  Prepared("a");
  EXPECT_THAT(Actions(), ElementsAre("forget a"));
}

TEST_F(PlanTest, WaitsAreVisible) {
  Add("a");
  Add("b", "a");
  Want(1, "b");
  EXPECT_THAT(plan_.WaitsFor(ids_["b"]), ElementsAre(ids_["a"]));
  EXPECT_THAT(plan_.Unfinished(Plan::RequestId{1}), UnorderedElementsAre(ids_["a"], ids_["b"]));
}

TEST_F(PlanTest, DeepGraphsNeedNoDeepStack) {
  Plan::StepId last = plan_.Add({});
  const Plan::StepId first = last;
  for (int i = 0; i < 10000; ++i) {
    last = plan_.Add({.inputs = {last}});
  }
  plan_.Want(Plan::RequestId{1}, last);
  EXPECT_EQ(plan_.TakeActions().size(), 10001u);
  plan_.Failed(first, absl::UnknownError("boom"));
  EXPECT_EQ(plan_.state(last), Plan::State::kFailed);
}

}  // namespace
}  // namespace cairn::solver
