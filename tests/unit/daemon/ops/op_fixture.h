// Real stores in a directory of the test's own, and fakes of what surrounds an operation.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/layer/chain_store.h"
#include "cache/tree/algebra.h"
#include "cache/tree/editor.h"
#include "cache/tree/tree_store.h"
#include "daemon/llb/builder.h"
#include "daemon/llb/graph.h"
#include "daemon/solver/op.h"
#include "daemon/solver/solver.h"
#include "tests/unit/testing.h"

namespace cairn::ops::testing {

class FixedClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1000); }
};

class FakeReporter final : public solver::VertexReporter {
 public:
  void Status(solver::StatusEvent) override {}
  void Log(int stream, string_view data) override {
    absl::StrAppend(stream == 1 ? &out : &err, data);
  }
  void Warn(solver::WarningEvent) override {}
  std::string out;
  std::string err;
};

class FakeLease final : public gc::Lease {
 public:
  StatusOr<bool> Use(const std::string&) override { return true; }
};

// A build that solves nothing.
class FakeJob final : public solver::Job {
 public:
  const std::string& id() const override { return id_; }
  StatusOr<solver::RefPtr> Load(const pb::Definition&) override {
    return absl::UnimplementedError("fake");
  }
  Status RunVertex(const Digest&, const std::string&,
                   const std::function<Status(solver::VertexReporter&)>&) override {
    return absl::UnimplementedError("fake");
  }
  void AddImports(std::shared_ptr<solver::StepImports>) override {}
  solver::ProgressLog& progress() override { return progress_; }
  session::SessionGroup& sessions() override { return sessions_; }
  const solver::Entitlements& entitlements() const override { return entitlements_; }
  gc::Lease& lease() override { return lease_; }
  solver::BuildMemory& memory() override { return memory_; }
  CancelToken cancel() const override { return {}; }
  void Cancel(string_view) override {}

 private:
  const std::string id_ = "build";
  FixedClock clock_;
  solver::ProgressLog progress_{clock_};
  session::SessionGroup sessions_;
  solver::Entitlements entitlements_;
  FakeLease lease_;
  solver::BuildMemory memory_;
};

class OpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(database_, blob::Database::Open(directory_ / "db"));
    ASSERT_OK_AND_ASSIGN(blobs_, blob::BlobStore::Open(directory_ / "blobs", *database_));
    trees_ = std::make_unique<tree::TreeStore>(*blobs_);
    chains_ = std::make_unique<layer::ChainStore>(*trees_, *database_);
  }

  // A tree of files by path; a path that ends in '/' is an empty directory, a content that starts
  // with "-> " makes a link. Directories are 0755, files 0644, all of mtime 7.
  tree::TreeRef MakeTree(const std::map<std::string, std::string>& files) {
    tree::Editor editor(*trees_, std::nullopt);
    for (const auto& [path, content] : files) {
      const size_t slash = path.rfind('/');
      if (slash != std::string::npos) {
        EXPECT_OK(editor.MakeDirectory(path.substr(0, slash), {.mode = 0755, .mtime_ns = 7}, true));
      }
      if (path.back() == '/') {
        continue;
      }
      tree::Entry entry;
      entry.metadata = {.mode = 0644, .mtime_ns = 7};
      if (content.rfind("-> ", 0) == 0) {
        entry.type = tree::Entry::Type::kSymlink;
        entry.target = content.substr(3);
      } else {
        entry.file = *blobs_->Put(content);
        entry.size = content.size();
      }
      EXPECT_OK(editor.Put(path, entry));
    }
    return *editor.Commit();
  }
  layer::Chain MakeChain(const std::map<std::string, std::string>& files) {
    return *chains_->Single(MakeTree(files));
  }

  // The entries of a tree, a line each: "dir a 755 0:0", "file a/b 644 0:0 content", "link x -> y".
  std::vector<std::string> Describe(const tree::TreeRef& tree) {
    std::vector<std::string> lines;
    EXPECT_OK(tree::Walk(*trees_, tree,
                         [&](const std::string& path, const tree::Entry& entry,
                             const tree::Directory* directory) -> StatusOr<tree::Visit> {
                           lines.push_back(Line(path, entry, directory));
                           return tree::Visit::kContinue;
                         }));
    return lines;
  }
  std::vector<std::string> Describe(const layer::Chain& chain) {
    return Describe(*chains_->TreeOf(chain));
  }

  // The vertex of `op` on as many inputs as it names.
  llb::Vertex MakeVertex(pb::Op op, int inputs) {
    llb::Vertex vertex{.digest = Digest::Of("vertex")};
    for (int i = 0; i < inputs; ++i) {
      op.add_inputs()->set_digest(Digest::Of(absl::StrCat("input", i)).ToString());
      vertex.inputs.push_back({.vertex = Digest::Of(absl::StrCat("input", i))});
    }
    vertex.bytes = op.SerializeAsString();
    vertex.op = std::make_shared<pb::Op>(std::move(op));
    vertex.metadata = std::make_shared<pb::OpMetadata>(metadata_);
    vertex.name = "vertex";
    return vertex;
  }

  solver::OpContext Context() {
    return {.cancel = {},
            .reporter = reporter_,
            .sessions = job_.sessions(),
            .entitlements = entitlements_,
            .lease = *used_lease_,
            .job = job_,
            .keep = [this](solver::RefPtr state) {
              kept_.push_back(std::move(state));
              return absl::StrCat("kept-", kept_.size() - 1);
            }};
  }

  // What the state that a failed step kept under `id` holds.
  std::vector<std::string> DescribeKept(const std::string& id) {
    size_t index = 0;
    if (!absl::SimpleAtoi(absl::StripPrefix(id, "kept-"), &index) || index >= kept_.size()) {
      return {"no state " + id};
    }
    const auto chain = kept_[index]->Evaluate({});
    EXPECT_OK(chain.status());
    return chain.ok() ? Describe(*chain) : std::vector<std::string>();
  }

  ::cairn::testing::TempDir directory_;
  std::unique_ptr<blob::Database> database_;
  std::unique_ptr<blob::BlobStore> blobs_;
  std::unique_ptr<tree::TreeStore> trees_;
  std::unique_ptr<layer::ChainStore> chains_;
  FixedClock clock_;
  FakeReporter reporter_;
  FakeLease lease_;
  gc::Lease* used_lease_ = &lease_;
  FakeJob job_;
  solver::Entitlements entitlements_;
  pb::OpMetadata metadata_;
  std::vector<solver::RefPtr> kept_;

 private:
  std::string Line(const std::string& path, const tree::Entry& entry,
                   const tree::Directory* directory) {
    const fs::Metadata& metadata = directory != nullptr ? directory->metadata : entry.metadata;
    const std::string owner =
        absl::StrFormat("%o %d:%d", metadata.mode, metadata.uid, metadata.gid);
    if (directory != nullptr) {
      return absl::StrCat("dir ", path, " ", owner);
    }
    if (entry.type == tree::Entry::Type::kSymlink) {
      return absl::StrCat("link ", path, " -> ", entry.target);
    }
    if (entry.type == tree::Entry::Type::kWhiteout) {
      return absl::StrCat("whiteout ", path);
    }
    return absl::StrCat("file ", path, " ", owner, " ", blobs_->Read(*entry.file).value_or("?"));
  }
};

}  // namespace cairn::ops::testing
