// Real stores in a directory of the test's own, and what an export needs around it.
#pragma once

#include <memory>
#include <string>

#include "cache/blob/blob_store.h"
#include "cache/blob/database.h"
#include "cache/gc/image_store.h"
#include "cache/layer/chain_store.h"
#include "cache/layer/exporter.h"
#include "cache/registry/client.h"
#include "cache/tree/editor.h"
#include "daemon/exporter/exporters.h"
#include "tests/unit/testing.h"

namespace cairn::exporter {

class SilentReporter final : public solver::VertexReporter {
 public:
  void Status(solver::StatusEvent event) override { ids.push_back(event.id); }
  void Log(int, string_view) override {}
  void Warn(solver::WarningEvent) override {}
  std::vector<std::string> ids;
};

class ExporterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(database_, blob::Database::Open(directory_ / "db"));
    ASSERT_OK_AND_ASSIGN(blobs_, blob::BlobStore::Open(directory_ / "blobs", *database_));
    trees_ = std::make_unique<tree::TreeStore>(*blobs_);
    chains_ = std::make_unique<layer::ChainStore>(*trees_, *database_);
    layers_ = std::make_unique<layer::LayerExporter>(*trees_, *database_);
    ASSERT_OK_AND_ASSIGN(ledger_, gc::Ledger::Open(*database_, *trees_));
    images_ = std::make_unique<gc::ImageStore>(*database_, *blobs_, *ledger_, clock_);
    registry_ = std::make_unique<registry::RegistryClient>(http_, registry::HostTable(), clock_);
    lease_ = ledger_->NewLease();
    parts_ = std::make_unique<ExporterParts>(ExporterParts{
        .chains = *chains_,
        .layers = *layers_,
        .ledger = *ledger_,
        .images = *images_,
        .registry = *registry_,
        .credentials =
            [](const session::SessionGroup&) -> std::unique_ptr<registry::CredentialSource> {
          return std::make_unique<registry::NoCredentials>();
        },
        .sessions = sessions_,
        .clock = clock_});
    exporters_ = MakeExporters(*parts_);
  }

  // A chain of one layer with these files, made in order; a path that ends in '/' is a directory.
  layer::Chain ChainOf(const std::vector<std::pair<std::string, std::string>>& files) {
    tree::Editor editor(*trees_, std::nullopt);
    for (const auto& [path, data] : files) {
      if (path.back() == '/') {
        EXPECT_OK(editor.MakeDirectory(path, {.mode = 0755}, true));
        continue;
      }
      tree::Entry entry;
      entry.metadata.mode = 0644;
      entry.file = *blobs_->Put(data);
      entry.size = data.size();
      EXPECT_OK(editor.Put(path, entry));
    }
    return *chains_->Single(*editor.Commit());
  }

  StatusOr<std::map<std::string, std::string>> Export(
      const std::string& type, const std::map<std::string, std::string>& attributes,
      const SolvedResult& result) {
    ASSIGN_OR_RETURN(const std::unique_ptr<class Export> run,
                     exporters_.at(type)->Resolve(attributes));
    ExportContext context{
        .session_id = "client", .sessions = group_, .reporter = reporter_, .lease = *lease_};
    return run->Run(result, context);
  }

  cairn::testing::TempDir directory_;
  SystemClock clock_;
  Logger log_{LogLevel::kError, LogFormat::kText};
  net::HttpClient http_;
  session::SessionManager sessions_{log_};
  session::SessionGroup group_;
  SilentReporter reporter_;
  std::unique_ptr<blob::Database> database_;
  std::unique_ptr<blob::BlobStore> blobs_;
  std::unique_ptr<tree::TreeStore> trees_;
  std::unique_ptr<layer::ChainStore> chains_;
  std::unique_ptr<layer::LayerExporter> layers_;
  std::unique_ptr<gc::Ledger> ledger_;
  std::unique_ptr<gc::ImageStore> images_;
  std::unique_ptr<registry::RegistryClient> registry_;
  std::unique_ptr<gc::Lease> lease_;
  std::unique_ptr<ExporterParts> parts_;
  std::map<std::string, std::unique_ptr<Exporter>> exporters_;
};

}  // namespace cairn::exporter
