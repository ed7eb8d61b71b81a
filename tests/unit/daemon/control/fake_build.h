// A build that solves nothing: its refs are fakes, its vertices run at once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "daemon/solver/solver.h"
#include "tests/unit/daemon/control/fake_bridge.h"

namespace cairn::control {

class FakeReporter final : public solver::VertexReporter {
 public:
  void Status(solver::StatusEvent) override {}
  void Log(int, string_view) override {}
  void Warn(solver::WarningEvent) override {}
};

class FakeLease final : public gc::Lease {
  StatusOr<bool> Use(const std::string&) override { return true; }
};

class FakeJob final : public solver::Job {
 public:
  explicit FakeJob(solver::JobOptions options)
      : FakeJob(std::move(options), std::make_shared<solver::ProgressLog>(Time())) {}
  FakeJob(solver::JobOptions options, std::shared_ptr<solver::ProgressLog> progress)
      : options_(std::move(options)), progress_(std::move(progress)) {}
  ~FakeJob() override { progress_->Close(); }
  const std::string& id() const override { return options_.id; }
  StatusOr<solver::RefPtr> Load(const pb::Definition& definition) override {
    return solver::RefPtr(std::make_shared<FakeRef>(definition.def(0)));
  }
  Status RunVertex(const Digest&, const std::string&,
                   const std::function<Status(solver::VertexReporter&)>& work) override {
    FakeReporter reporter;
    return work(reporter);
  }
  void AddImports(std::shared_ptr<solver::StepImports>) override {}
  solver::ProgressLog& progress() override { return *progress_; }
  session::SessionGroup& sessions() override { return sessions_; }
  const solver::Entitlements& entitlements() const override { return options_.entitlements; }
  gc::Lease& lease() override { return lease_; }
  solver::BuildMemory& memory() override { return memory_; }
  CancelToken cancel() const override { return cancel_.token(); }
  void Cancel(string_view reason) override { cancel_.Cancel(reason); }

 private:
  static const Clock& Time() {
    static const SystemClock clock;
    return clock;
  }

  const solver::JobOptions options_;
  const std::shared_ptr<solver::ProgressLog> progress_;
  session::SessionGroup sessions_;
  FakeLease lease_;
  solver::BuildMemory memory_;
  CancelSource cancel_;
};

}  // namespace cairn::control
