#include "client/build.h"

#include <grpcpp/grpcpp.h>

#include <random>
#include <thread>

#include "client/render_error.h"
#include "proto/control.grpc.pb.h"
#include "runtime/base/thread_pool.h"

namespace cairn::client {
namespace {

using moby::buildkit::v1::Control;

std::string NewBuildRef() {
  constexpr char kDigits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  std::random_device random;
  std::string ref(25, '0');
  for (char& c : ref) {
    c = kDigits[random() % 36];
  }
  return ref;
}

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

}  // namespace

StatusOr<std::map<std::string, std::string>> Build(Connection& connection, BuildRequest request,
                                                   const ProgressCallback& progress,
                                                   const CancelToken& cancel) {
  const std::string ref = NewBuildRef();
  ASSIGN_OR_RETURN(std::unique_ptr<Session> session,
                   Session::Start(connection, std::move(request.session)));
  const std::unique_ptr<Control::Stub> stub = Control::NewStub(connection.channel());
  grpc::ClientContext status_context;
  std::thread follower = StartThread("build-status", [&] {
    moby::buildkit::v1::StatusRequest status_request;
    status_request.set_ref(ref);
    auto reader = stub->Status(&status_context, status_request);
    moby::buildkit::v1::StatusResponse message;
    while (reader->Read(&message)) {
      progress(message);
    }
    reader->Finish();
  });

  grpc::ClientContext solve_context;
  moby::buildkit::v1::SolveResponse response;
  grpc::Status solved;
  {
    CancelCallback cancelled(cancel, [&] { solve_context.TryCancel(); });
    solved = stub->Solve(&solve_context, ToProto(request, ref, session->id()), &response);
  }
  // The stream ends by itself when the build does; a build that never was has none.
  if (!solved.ok() && (cancel.cancelled() || solved.error_code() == grpc::UNAVAILABLE)) {
    status_context.TryCancel();
  }
  follower.join();
  session->Finish();
  RETURN_IF_ERROR(FromDaemon(solved));
  return std::map<std::string, std::string>(response.exporterresponse().begin(),
                                            response.exporterresponse().end());
}

}  // namespace cairn::client
