#include "daemon/server/daemon.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cache/registry/client.h"
#include "daemon/caches/cache_parts.h"
#include "daemon/control/bridge_service.h"
#include "daemon/control/build_runner.h"
#include "daemon/control/containers_service.h"
#include "daemon/control/content_service.h"
#include "daemon/control/control_service.h"
#include "daemon/control/frontend_server.h"
#include "daemon/control/health_service.h"
#include "daemon/control/history_recorder.h"
#include "daemon/control/images_service.h"
#include "daemon/control/trace_service.h"
#include "daemon/devices/device_registry.h"
#include "daemon/exporter/exporters.h"
#include "daemon/frontend/dockerfile/dockerfile_frontend.h"
#include "daemon/frontend/gateway/gateway_frontend.h"
#include "daemon/history/history.h"
#include "daemon/ops/op_factory.h"
#include "daemon/server/collection_loop.h"
#include "daemon/server/listeners.h"
#include "daemon/server/memory_return.h"
#include "daemon/server/provenance_environment.h"
#include "daemon/server/source_bridge.h"
#include "daemon/server/store.h"
#include "daemon/server/version.h"
#include "daemon/server/worker_settings.h"
#include "daemon/session/session_manager.h"
#include "daemon/source/session_credentials.h"
#include "daemon/source/source_factory.h"
#include "runtime/net/http_client.h"
#include "runtime/sandbox/executor.h"

namespace cairn::server {
namespace {

constexpr char kBuildIdHeader[] = "buildkit-controlapi-buildid";
constexpr char kDockerfileFrontend[] = "dockerfile.v0";
constexpr char kGatewayFrontend[] = "gateway.v0";

// Keeps the history, and has garbage collected and memory given back after builds.
class BuildEnds final : public control::BuildObserver {
 public:
  BuildEnds(control::BuildObserver& history, CollectionLoop& collection, MemoryReturn& memory)
      : history_(history), collection_(collection), memory_(memory) {}
  void OnStart(const control::BuildRequest& request, absl::Time started) override {
    history_.OnStart(request, started);
  }
  void OnEnd(const control::FinishedBuild& build) override {
    history_.OnEnd(build);
    collection_.Poke();
    memory_.Poke();
  }

 private:
  control::BuildObserver& history_;
  CollectionLoop& collection_;
  MemoryReturn& memory_;
};

control::BuildFinder FindByHeader(control::BuildRunner& builds) {
  return
      [&builds](const control::CallInfo& call) -> StatusOr<std::shared_ptr<control::GatewayBuild>> {
        if (call.metadata.count(kBuildIdHeader) != 1) {
          return absl::InvalidArgumentError("no buildid found in context");
        }
        return builds.FindGateway(call.metadata.find(kBuildIdHeader)->second, call.cancel);
      };
}

bool IsEnabled(const Config& config, const std::string& frontend) {
  const auto found = config.frontends.find(frontend);
  return found == config.frontends.end() || found->second.enabled;
}

}  // namespace

// In the order of their making; destroyed in the opposite order.
struct Daemon::Parts {
  Parts(const Config& configuration, Logger& logger) : config(configuration), log(logger) {}

  Status Open();
  Status OpenWorker();
  Status OpenSolver();
  Status OpenServices();

  const Config& config;
  Logger& log;
  const SystemClock clock;
  CancelSource draining;
  MemoryReturn memory;

  std::unique_ptr<Store> store;
  std::unique_ptr<net::HttpClient> http;
  std::unique_ptr<registry::RegistryClient> registry;
  std::unique_ptr<sandbox::Executor> executor;
  std::unique_ptr<devices::DeviceRegistry> devices;
  std::vector<gc::PolicyRule> gc_policy;
  std::unique_ptr<CollectionLoop> collection;
  control::WorkerInfo worker;

  std::unique_ptr<session::SessionManager> sessions;
  std::unique_ptr<source::SourceFactory> sources;
  std::unique_ptr<SourceBridge> source_bridge;
  std::unique_ptr<ops::OpEnvironment> op_environment;
  std::unique_ptr<solver::Solver> solver;
  control::Frontends frontends;
  control::Exporters exporters;

  std::unique_ptr<history::History> history;
  std::unique_ptr<control::HistoryRecorder> recorder;
  std::unique_ptr<BuildEnds> build_ends;
  std::unique_ptr<control::ProvenanceSettings> provenance;
  std::unique_ptr<caches::CacheParts> caches;
  std::unique_ptr<control::BuildRunner> builds;

  std::unique_ptr<control::CallThreads> threads;
  std::unique_ptr<control::FrontendServer> frontend_server;
  std::unique_ptr<control::ControlService> control_service;
  std::unique_ptr<control::BridgeService> bridge_service;
  std::unique_ptr<control::ContentService> content_service;
  std::unique_ptr<control::ContainersService> containers_service;
  std::unique_ptr<control::ImagesService> images_service;
  std::unique_ptr<control::HealthService> health_service;
  std::unique_ptr<control::TraceService> trace_service;
  std::unique_ptr<Listeners> listeners;
};

Status Daemon::Parts::Open() {
  ASSIGN_OR_RETURN(store, Store::Open(config.root, clock, log));
  RETURN_IF_ERROR(OpenWorker());
  RETURN_IF_ERROR(OpenSolver());
  return OpenServices();
}

Status Daemon::Parts::OpenWorker() {
  http = std::make_unique<net::HttpClient>(net::HttpClientOptions{.user_agent = UserAgent()});
  registry = std::make_unique<registry::RegistryClient>(*http, MakeHostTable(config), clock);
  ASSIGN_OR_RETURN(sandbox::ExecutorOptions options, MakeExecutorOptions(config));
  ASSIGN_OR_RETURN(executor, sandbox::Executor::Create(std::move(options)));
  for (const std::string& limitation : executor->Limitations()) {
    log.Warn("the host limits what steps can have", {{"limitation", limitation}});
  }
  devices = std::make_unique<devices::DeviceRegistry>(MakeDeviceOptions(config), log);
  ASSIGN_OR_RETURN(gc_policy, MakeGcPolicy(config));
  collection =
      std::make_unique<CollectionLoop>(*store->collector, gc_policy, *store->steps, clock, log);
  ASSIGN_OR_RETURN(worker, MakeWorkerInfo(config, executor->default_network(), gc_policy));
  return absl::OkStatus();
}

Status Daemon::Parts::OpenSolver() {
  sessions = std::make_unique<session::SessionManager>(log);
  const std::string sockets = absl::StrCat(config.root, "/sockets");
  std::error_code error;
  std::filesystem::remove_all(sockets, error);
  std::filesystem::create_directories(sockets, error);
  if (error) {
    return ErrnoStatus(error.value(), absl::StrCat("make ", sockets));
  }
  sources = std::make_unique<source::SourceFactory>(source::SourceStores{
      *sessions, *store->chains, *store->database, *store->snapshots, *store->ledger, *registry,
      *store->images, *store->repositories, *http, sockets});
  source_bridge = std::make_unique<SourceBridge>(*sources);
  op_environment = std::make_unique<ops::OpEnvironment>(ops::OpEnvironment{
      *store->chains,
      clock,
      {{*store->chains, *store->snapshots, *store->cache_mounts, *sessions, sockets},
       *executor,
       devices.get()}});
  ASSIGN_OR_RETURN(
      solver,
      solver::Solver::Create({
          .make_op = [this](const llb::Vertex& vertex) -> StatusOr<std::unique_ptr<solver::Op>> {
            return vertex.op->has_source() ? sources->MakeOp(vertex)
                                           : ops::MakeOp(vertex, *op_environment);
          },
          .chains = *store->chains,
          .steps = *store->steps,
          .ledger = *store->ledger,
          .sessions = *sessions,
          .clock = clock,
          .log = log,
          .devices = devices.get(),
          .slots = config.worker.max_parallelism,
      }));
  if (IsEnabled(config, kDockerfileFrontend)) {
    frontends[kDockerfileFrontend] = std::make_unique<dockerfile::DockerfileFrontend>();
  }
  exporters = exporter::MakeExporters(
      {*store->chains, *store->layers, *store->ledger, *store->images, *registry,
       [this](const session::SessionGroup& group) {
         return std::make_unique<source::SessionCredentials>(*sessions, group);
       },
       *sessions, clock});
  return absl::OkStatus();
}

Status Daemon::Parts::OpenServices() {
  history = std::make_unique<history::History>(
      *store->database, clock, log,
      history::Retention{config.history_max_age, config.history_max_entries});
  recorder = std::make_unique<control::HistoryRecorder>(*history, clock, log);
  build_ends = std::make_unique<BuildEnds>(*recorder, *collection, memory);
  ASSIGN_OR_RETURN(std::string environment, LoadProvenanceEnvironment(config.provenance_env_dir));
  provenance = std::make_unique<control::ProvenanceSettings>(
      control::ProvenanceSettings{*store->layers, clock, std::move(environment)});
  caches = std::make_unique<caches::CacheParts>(
      caches::CacheParts{*store->chains, *store->layers, *store->ledger, *store->steps, *registry,
                         [this](const session::SessionGroup& group) {
                           return std::make_unique<source::SessionCredentials>(*sessions, group);
                         },
                         *sessions, clock, log});
  ASSIGN_OR_RETURN(const solver::Entitlements allowed, MakeAllowedEntitlements(config));
  builds = std::make_unique<control::BuildRunner>(
      control::BuildEnvironment{*solver,
                                *sessions,
                                {frontends, *source_bridge, *store->chains, worker.platforms},
                                exporters,
                                allowed,
                                *build_ends,
                                clock,
                                log,
                                *caches,
                                provenance.get()});

  threads = std::make_unique<control::CallThreads>();
  frontend_server =
      std::make_unique<control::FrontendServer>(*threads, worker, &op_environment->exec);
  if (IsEnabled(config, kGatewayFrontend)) {
    const auto configured = config.frontends.find(kGatewayFrontend);
    frontends[kGatewayFrontend] = gateway::MakeGatewayFrontend(
        {*store->snapshots, *executor, *frontend_server,
         configured == config.frontends.end() ? std::vector<std::string>()
                                              : configured->second.allowed_repositories});
  }
  control_service = std::make_unique<control::ControlService>(
      control::ControlEnvironment{*threads, worker, *devices, *sessions, *solver, *builds, *history,
                                  *store->ledger, *store->collector, clock});
  bridge_service = std::make_unique<control::BridgeService>(*threads, worker, FindByHeader(*builds),
                                                            &op_environment->exec);
  content_service = std::make_unique<control::ContentService>(
      *threads, *store->blobs, *history, [this]() -> StatusOr<std::vector<blob::BlobInfo>> {
        std::vector<blob::BlobInfo> blobs;
        ASSIGN_OR_RETURN(const std::vector<gc::Image> images, store->images->List());
        for (const gc::Image& image : images) {
          blobs.push_back({image.digest, image.size});
        }
        return blobs;
      });
  containers_service =
      std::make_unique<control::ContainersService>(*threads, FindByHeader(*builds));
  images_service =
      std::make_unique<control::ImagesService>(*threads, *store->images, *store->blobs);
  health_service = std::make_unique<control::HealthService>(*threads, draining.token());
  trace_service = std::make_unique<control::TraceService>();
  ASSIGN_OR_RETURN(
      listeners, Listeners::Open(config,
                                 {control_service.get(), bridge_service.get(),
                                  content_service.get(), containers_service.get(),
                                  images_service.get(), health_service.get(), trace_service.get()},
                                 log));
  return absl::OkStatus();
}

StatusOr<std::unique_ptr<Daemon>> Daemon::Start(const Config& config, Logger& log) {
  auto parts = std::make_unique<Parts>(config, log);
  RETURN_IF_ERROR(parts->Open());
  return std::unique_ptr<Daemon>(new Daemon(std::move(parts)));
}

Daemon::Daemon(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Daemon::~Daemon() { Drain(absl::ZeroDuration()); }

const std::vector<std::string>& Daemon::addresses() const { return parts_->listeners->addresses(); }

void Daemon::Drain(absl::Duration grace) {
  parts_->draining.Cancel("the daemon is shutting down");
  parts_->listeners->Shutdown(grace);
}

}  // namespace cairn::server
