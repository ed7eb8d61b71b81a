#include "daemon/control/result_codec.h"

#include <sys/sysmacros.h>

#include <utility>

#include "daemon/session/file_stat.h"

namespace cairn::control {
namespace {

namespace gateway = moby::buildkit::v1::frontend;

void EncodeRef(const solver::RefPtr& ref, GatewayBuild& build, gateway::Ref* out) {
  out->set_id(build.AddRef(ref));
  if (ref != nullptr) {
    *out->mutable_def() = ref->definition();
  }
}

void EncodeAttestation(const solver::Attestation& attestation, GatewayBuild& build,
                       gateway::Attestation* out) {
  out->set_kind(attestation.kind == solver::Attestation::Kind::kBundle ? gateway::Bundle
                                                                       : gateway::InToto);
  out->mutable_metadata()->insert(attestation.metadata.begin(), attestation.metadata.end());
  EncodeRef(attestation.ref, build, out->mutable_ref());
  out->set_path(attestation.path);
  out->set_intotopredicatetype(attestation.predicate_type);
  for (const auto& subject : attestation.subjects) {
    gateway::InTotoSubject* wire = out->add_intotosubjects();
    wire->set_kind(subject.raw ? gateway::Raw : gateway::Self);
    wire->mutable_digest()->Add(subject.digests.begin(), subject.digests.end());
    wire->set_name(subject.name);
  }
}

StatusOr<solver::Attestation> DecodeAttestation(const gateway::Attestation& wire,
                                                const GatewayBuild& build) {
  solver::Attestation attestation;
  attestation.kind = wire.kind() == gateway::Bundle ? solver::Attestation::Kind::kBundle
                                                    : solver::Attestation::Kind::kInToto;
  attestation.metadata.insert(wire.metadata().begin(), wire.metadata().end());
  ASSIGN_OR_RETURN(attestation.ref, build.FindRef(wire.ref().id()));
  attestation.path = wire.path();
  attestation.predicate_type = wire.intotopredicatetype();
  for (const gateway::InTotoSubject& subject : wire.intotosubjects()) {
    attestation.subjects.push_back({subject.kind() == gateway::Raw,
                                    {subject.digest().begin(), subject.digest().end()},
                                    subject.name()});
  }
  return attestation;
}

void EncodeRefs(const solver::FrontendResult& result, bool array_refs, GatewayBuild& build,
                gateway::Result* out) {
  if (result.ref.has_value()) {
    if (array_refs) {
      EncodeRef(*result.ref, build, out->mutable_ref());
    } else {
      out->set_refdeprecated(build.AddRef(*result.ref));
    }
  }
  for (const auto& entry : result.refs) {
    if (array_refs) {
      EncodeRef(entry.second, build, &(*out->mutable_refs()->mutable_refs())[entry.first]);
    } else {
      (*out->mutable_refsdeprecated()->mutable_refs())[entry.first] = build.AddRef(entry.second);
    }
  }
}

Status DecodeRefs(const gateway::Result& result, const GatewayBuild& build,
                  solver::FrontendResult* out) {
  switch (result.result_case()) {
    case gateway::Result::kRefDeprecated: {
      ASSIGN_OR_RETURN(out->ref, build.FindRef(result.refdeprecated()));
      break;
    }
    case gateway::Result::kRefsDeprecated:
      for (const auto& entry : result.refsdeprecated().refs()) {
        ASSIGN_OR_RETURN(out->refs[entry.first], build.FindRef(entry.second));
      }
      break;
    case gateway::Result::kRef: {
      ASSIGN_OR_RETURN(out->ref, build.FindRef(result.ref().id()));
      break;
    }
    case gateway::Result::kRefs:
      for (const auto& entry : result.refs().refs()) {
        ASSIGN_OR_RETURN(out->refs[entry.first], build.FindRef(entry.second.id()));
      }
      break;
    case gateway::Result::RESULT_NOT_SET:
      break;
  }
  return absl::OkStatus();
}

}  // namespace

void EncodeResult(const solver::FrontendResult& result, bool array_refs, GatewayBuild& build,
                  gateway::Result* out) {
  EncodeRefs(result, array_refs, build, out);
  out->mutable_metadata()->insert(result.metadata.begin(), result.metadata.end());
  for (const auto& entry : result.attestations) {
    gateway::Attestations& list = (*out->mutable_attestations())[entry.first];
    for (const solver::Attestation& attestation : entry.second) {
      EncodeAttestation(attestation, build, list.add_attestation());
    }
  }
}

StatusOr<solver::FrontendResult> DecodeResult(const gateway::Result& result,
                                              const GatewayBuild& build) {
  solver::FrontendResult out;
  RETURN_IF_ERROR(DecodeRefs(result, build, &out));
  out.metadata.insert(result.metadata().begin(), result.metadata().end());
  for (const auto& entry : result.attestations()) {
    std::vector<solver::Attestation>& list = out.attestations[entry.first];
    for (const gateway::Attestation& wire : entry.second.attestation()) {
      ASSIGN_OR_RETURN(solver::Attestation attestation, DecodeAttestation(wire, build));
      list.push_back(std::move(attestation));
    }
  }
  return out;
}

void EncodeStat(const solver::FileStat& stat, fsutil::types::Stat* out) {
  session::FileStat wire;
  wire.path = stat.path;
  wire.mode = fs::TypeBits(stat.kind) | stat.metadata.mode;
  wire.uid = stat.metadata.uid;
  wire.gid = stat.metadata.gid;
  wire.size = static_cast<int64_t>(stat.size);
  wire.mtime_ns = stat.metadata.mtime_ns;
  wire.link_name = stat.link_target;
  wire.dev_major = major(stat.device);
  wire.dev_minor = minor(stat.device);
  wire.xattrs = stat.metadata.xattrs;
  session::ToWire(wire, out);
}

}  // namespace cairn::control
