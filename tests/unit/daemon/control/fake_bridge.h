// A build's bridge and refs that answer from memory.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/solver/frontend.h"

namespace cairn::control {

class FakeRef final : public solver::Ref {
 public:
  explicit FakeRef(std::string name, Status outcome = absl::OkStatus())
      : outcome_(std::move(outcome)) {
    definition_.add_def(name);
  }
  StatusOr<layer::Chain> Evaluate(const CancelToken&) override {
    RETURN_IF_ERROR(outcome_);
    return layer::Chain{{}, Digest::Of(definition_.def(0))};
  }
  bool Repair() override { return false; }
  const pb::Definition& definition() const override { return definition_; }

 private:
  pb::Definition definition_;
  const Status outcome_;
};

class FakeBridge final : public solver::Bridge {
 public:
  StatusOr<solver::FrontendResult> Solve(const solver::SolveRequest& request,
                                         const CancelToken& cancel) override {
    last_request = request;
    if (block) {
      cancel.WaitFor(absl::Hours(1));
      return cancel.Check();
    }
    return result;
  }
  StatusOr<solver::ImageConfig> ResolveImageConfig(const solver::ResolveImageRequest& request,
                                                   const CancelToken&) override {
    return solver::ImageConfig{request.reference + "@pinned", Digest::Of("m"), "{}"};
  }
  StatusOr<solver::SourceMeta> ResolveSourceMeta(const solver::ResolveSourceRequest& request,
                                                 const CancelToken&) override {
    solver::SourceMeta meta;
    meta.source = request.source;
    return meta;
  }
  StatusOr<std::string> ReadFile(const solver::RefPtr&, string_view path,
                                 std::optional<solver::FileRange> range,
                                 const CancelToken&) override {
    if (path != "/f") {
      return absl::NotFoundError("no");
    }
    const std::string data = "content";
    return range.has_value() ? data.substr(range->offset, range->length) : data;
  }
  StatusOr<std::vector<solver::FileStat>> ReadDir(const solver::RefPtr&, string_view, string_view,
                                                  const CancelToken&) override {
    solver::FileStat stat;
    stat.path = "d";
    stat.kind = fs::Kind::kDirectory;
    stat.metadata.mode = 0755;
    return std::vector<solver::FileStat>{stat};
  }
  StatusOr<solver::FileStat> StatFile(const solver::RefPtr&, string_view,
                                      const CancelToken&) override {
    return absl::NotFoundError("no");
  }
  Status Warn(solver::WarningEvent warning) override {
    warnings.push_back(std::move(warning));
    return absl::OkStatus();
  }
  const std::vector<Platform>& platforms() const override { return platforms_; }
  const std::map<std::string, pb::Definition>& inputs() const override { return inputs_; }
  std::string session_id() const override { return "session"; }

  bool block = false;
  StatusOr<solver::FrontendResult> result = solver::FrontendResult();
  solver::SolveRequest last_request;
  std::vector<solver::WarningEvent> warnings;

 private:
  std::vector<Platform> platforms_ = {Platform::Host()};
  std::map<std::string, pb::Definition> inputs_;
};

}  // namespace cairn::control
