// All exporters of the daemon, by type: image, oci, docker, local, tar.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "cache/gc/image_store.h"
#include "cache/layer/chain_store.h"
#include "cache/layer/exporter.h"
#include "cache/registry/client.h"
#include "daemon/exporter/exporter.h"
#include "daemon/session/session_manager.h"
#include "runtime/base/clock.h"

namespace cairn::exporter {

// What exporters are made of; all outlive them.
struct ExporterParts {
  layer::ChainStore& chains;
  layer::LayerExporter& layers;
  gc::Ledger& ledger;
  gc::ImageStore& images;
  registry::RegistryClient& registry;
  // The registry credentials of a build's sessions.
  std::function<std::unique_ptr<registry::CredentialSource>(const session::SessionGroup&)>
      credentials;
  session::SessionManager& sessions;
  const Clock& clock;
};

std::map<std::string, std::unique_ptr<Exporter>> MakeExporters(const ExporterParts& parts);

// Each of them.
std::unique_ptr<Exporter> NewImageExporter(const ExporterParts& parts);
std::unique_ptr<Exporter> NewOciExporter(const ExporterParts& parts);
std::unique_ptr<Exporter> NewDockerExporter(const ExporterParts& parts);
std::unique_ptr<Exporter> NewLocalExporter(const ExporterParts& parts);
std::unique_ptr<Exporter> NewTarExporter(const ExporterParts& parts);

}  // namespace cairn::exporter
