#include "client/build.h"

#include <grpcpp/grpcpp.h>

#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "client/render_error.h"
#include "proto/control.grpc.pb.h"
#include "runtime/base/random_id.h"
#include "runtime/base/sync.h"
#include "runtime/base/thread_pool.h"

namespace cairn::client {
namespace {

using moby::buildkit::v1::Control;

moby::buildkit::v1::SolveRequest ToProto(const BuildRequest& request, const std::string& ref,
                                         const std::string& session) {
  moby::buildkit::v1::SolveRequest proto;
  proto.set_ref(ref);
  proto.set_session(session);
  proto.set_frontend(request.frontend);
  proto.mutable_frontendattrs()->insert(request.frontend_options.begin(),
                                        request.frontend_options.end());
  for (const BuildRequest::Output& output : request.outputs) {
    auto& exporter = *proto.add_exporters();
    exporter.set_type(output.type);
    exporter.mutable_attrs()->insert(output.attributes.begin(), output.attributes.end());
  }
  auto& cache = *proto.mutable_cache();
  for (const BuildRequest::Output& entry : request.cache_imports) {
    auto& import = *cache.add_imports();
    import.set_type(entry.type);
    import.mutable_attrs()->insert(entry.attributes.begin(), entry.attributes.end());
  }
  for (const BuildRequest::Output& entry : request.cache_exports) {
    auto& cache_export = *cache.add_exports();
    cache_export.set_type(entry.type);
    cache_export.mutable_attrs()->insert(entry.attributes.begin(), entry.attributes.end());
  }
  for (const std::string& entitlement : request.entitlements) {
    proto.add_entitlements(entitlement);
  }
  return proto;
}

// A build's progress, as it comes, on a thread of its own.
class StatusFollower {
 public:
  StatusFollower(Control::Stub& stub, const std::string& ref, const ProgressCallback& progress) {
    thread_ = StartThread("build-status", [this, &stub, ref, &progress] {
      moby::buildkit::v1::StatusRequest request;
      request.set_ref(ref);
      const auto reader = stub.Status(&context_, request);
      moby::buildkit::v1::StatusResponse message;
      while (reader->Read(&message)) {
        Note(&heard_);
        progress(message);
      }
      reader->Finish();
      Note(&ended_);
    });
  }
  ~StatusFollower() { thread_.join(); }

  // Waits for the end, which comes when the build has ended, steps that were interrupted too. A
  // build that was refused never began, and has no progress to wait for.
  void Finish(const grpc::Status& solved) {
    MutexLock lock(mu_);
    const absl::Time deadline = absl::Now() + kFirstMessage;
    while (!solved.ok() && !heard_ && !ended_ && absl::Now() < deadline) {
      changed_.WaitFor(mu_, deadline - absl::Now());
    }
    if (!solved.ok() && !heard_) {
      context_.TryCancel();
    }
    while (!ended_) {
      changed_.Wait(mu_);
    }
  }

 private:
  static constexpr absl::Duration kFirstMessage = absl::Milliseconds(500);

  void Note(bool* what) {
    MutexLock lock(mu_);
    *what = true;
    changed_.NotifyAll();
  }

  grpc::ClientContext context_;
  Mutex mu_;
  CondVar changed_;
  bool heard_ = false;  // these two are guarded by mu_
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace

StatusOr<std::map<std::string, std::string>> Build(Connection& connection, BuildRequest request,
                                                   const ProgressCallback& progress,
                                                   const CancelToken& cancel) {
  const std::string ref = RandomId();
  ASSIGN_OR_RETURN(std::unique_ptr<Session> session,
                   Session::Start(connection, std::move(request.session)));
  const std::unique_ptr<Control::Stub> stub = Control::NewStub(connection.channel());
  StatusFollower follower(*stub, ref, progress);

  grpc::ClientContext solve_context;
  moby::buildkit::v1::SolveResponse response;
  grpc::Status solved;
  {
    CancelCallback cancelled(cancel, [&] { solve_context.TryCancel(); });
    solved = stub->Solve(&solve_context, ToProto(request, ref, session->id()), &response);
  }
  follower.Finish(solved);
  session->Finish();
  RETURN_IF_ERROR(FromDaemon(solved));
  return std::map<std::string, std::string>(response.exporterresponse().begin(),
                                            response.exporterresponse().end());
}

}  // namespace cairn::client
