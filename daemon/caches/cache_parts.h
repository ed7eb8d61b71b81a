// What importing and exporting caches works with; all of it outlives the builds.
#pragma once

#include <functional>
#include <memory>

#include "cache/gc/ledger.h"
#include "cache/layer/chain_store.h"
#include "cache/layer/exporter.h"
#include "cache/registry/client.h"
#include "cache/steps/step_table.h"
#include "daemon/session/session_group.h"
#include "daemon/session/session_manager.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"

namespace cairn::caches {

struct CacheParts {
  layer::ChainStore& chains;
  layer::LayerExporter& layers;
  gc::Ledger& ledger;
  steps::StepTable& steps;
  registry::RegistryClient& registry;
  // The registry credentials of a build's sessions; the group outlives what is returned.
  std::function<std::unique_ptr<registry::CredentialSource>(const session::SessionGroup&)>
      credentials;
  session::SessionManager& sessions;
  const Clock& clock;
  Logger& log;
};

}  // namespace cairn::caches
