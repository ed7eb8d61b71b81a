// The bytes of known messages, worked out from the protocols' field numbers, and the names that
// reach the wire.
#include <google/protobuf/descriptor.h>

#include <string>

#include "absl/strings/escaping.h"
#include "proto/auth.pb.h"
#include "proto/content.pb.h"
#include "proto/control.pb.h"
#include "proto/fs_wire.pb.h"
#include "proto/gateway.pb.h"
#include "proto/health.pb.h"
#include "proto/ops.pb.h"
#include "proto/policy_session.pb.h"
#include "proto/rpc_status.pb.h"
#include "proto/secrets.pb.h"
#include "proto/session_exporter.pb.h"
#include "proto/ssh_forward.pb.h"
#include "proto/trace.pb.h"
#include "proto/upload.pb.h"
#include "tests/unit/testing.h"

namespace cairn {
namespace {

std::string Hex(const google::protobuf::Message& message) {
  return absl::BytesToHexString(message.SerializeAsString());
}

TEST(ProtoWireTest, EndOfAFileListIsAnEmptyMessage) {
  fsutil::types::Packet packet;
  packet.set_type(fsutil::types::Packet::PACKET_STAT);

  EXPECT_EQ(Hex(packet), "");
}

TEST(ProtoWireTest, FilePacketsHaveTheirFieldNumbers) {
  fsutil::types::Packet request;
  request.set_type(fsutil::types::Packet::PACKET_REQ);
  request.set_id(3);
  fsutil::types::Packet entry;
  entry.mutable_stat()->set_path("a");
  entry.mutable_stat()->set_mode(0x80000000U | 0755);
  entry.mutable_stat()->set_modtime(1);

  EXPECT_EQ(Hex(request), "08011803");
  // stat(2) { path(1) "a", mode(2) varint, modTime(6) 1 }
  EXPECT_EQ(Hex(entry), "120b0a016110ed838080083001");
}

TEST(ProtoWireTest, ProbeBuildsReturnIsAnEmptyRef) {
  moby::buildkit::v1::frontend::ReturnRequest request;
  request.mutable_result()->mutable_ref();

  EXPECT_EQ(Hex(request), "0a021a00");
}

TEST(ProtoWireTest, SourceOpEqualsWhatClientsMarshal) {
  pb::Op op;
  op.mutable_source()->set_identifier("local://context");
  op.mutable_constraints();

  // source(3), then constraints(11): C++ writes by field number, Go the oneof last.
  EXPECT_EQ(Hex(op), "1a110a0f6c6f63616c3a2f2f636f6e746578745a00");
}

TEST(ProtoWireTest, HighFieldNumbersOfMounts) {
  pb::Mount mount;
  mount.set_dest("/c");
  mount.set_output(-1);
  mount.mutable_cacheopt()->set_id("x");

  EXPECT_EQ(Hex(mount), "1a022f6320ffffffffffffffffff01a201030a0178");
}

TEST(ProtoWireTest, SolveRequestKeepsItsNumbers) {
  moby::buildkit::v1::SolveRequest request;
  request.set_ref("r");
  request.set_session("s");
  request.add_exporters()->set_type("oci");

  EXPECT_EQ(Hex(request), "0a01722a01736a050a036f6369");
}

TEST(ProtoWireTest, ServicesHaveTheirFullNames) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  // A message of each file, so that the linker keeps the file's descriptors.
  const google::protobuf::Message* files[] = {
      &moby::filesync::v1::CredentialsRequest::default_instance(),
      &containerd::services::content::v1::InfoRequest::default_instance(),
      &grpc::health::v1::HealthCheckRequest::default_instance(),
      &moby::buildkit::v1::sourcepolicy::policysession::DenyMessage::default_instance(),
      &moby::buildkit::secrets::v1::GetSecretRequest::default_instance(),
      &moby::exporter::v1::ExporterRequest::default_instance(),
      &moby::sshforward::v1::BytesMessage::default_instance(),
      &opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest::default_instance(),
      &moby::upload::v1::BytesMessage::default_instance(),
  };

  for (const auto* message : files) {
    EXPECT_GT(message->GetDescriptor()->file()->service_count(), 0)
        << message->GetDescriptor()->full_name();
  }
  for (const char* method :
       {"moby.buildkit.v1.Control.ListenBuildHistory",
        "moby.buildkit.v1.frontend.LLBBridge.ExecProcess", "moby.filesync.v1.Auth.FetchToken",
        "moby.buildkit.secrets.v1.Secrets.GetSecret", "moby.sshforward.v1.SSH.ForwardAgent",
        "moby.upload.v1.Upload.Pull", "moby.exporter.v1.Exporter.FinalizeExport",
        "moby.buildkit.v1.sourcepolicy.policysession.PolicyVerifier.CheckPolicy",
        "containerd.services.content.v1.Content.ListStatuses", "grpc.health.v1.Health.Watch",
        "opentelemetry.proto.collector.trace.v1.TraceService.Export"}) {
    EXPECT_NE(pool->FindMethodByName(method), nullptr) << method;
  }
}

TEST(ProtoWireTest, RenamedFieldKeepsItsNumberAndJsonName) {
  const auto* field = moby::buildkit::v1::frontend::Blob::GetDescriptor()->FindFieldByNumber(1);

  EXPECT_EQ(field->json_name(), "descriptor");
}

TEST(ProtoWireTest, RpcStatusCarriesAnys) {
  google::rpc::Status status;
  status.set_code(2);
  status.set_message("m");
  status.add_details()->set_type_url("t");

  EXPECT_EQ(Hex(status), "080212016d1a030a0174");
}

}  // namespace
}  // namespace cairn
