// The OpenTelemetry collector's trace service: clients send their spans at exit. They are dropped.
#pragma once

#include "proto/trace.grpc.pb.h"

namespace cairn::control {

class TraceService final
    : public opentelemetry::proto::collector::trace::v1::TraceService::CallbackService {
 private:
  grpc::ServerUnaryReactor* Export(
      grpc::CallbackServerContext* context,
      const opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest*,
      opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

}  // namespace cairn::control
