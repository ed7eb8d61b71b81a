#include "daemon/frontend/dockerfile/sbom_scan.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/dispatch_parts.h"
#include "daemon/frontend/dockerfile/image_reference.h"
#include "daemon/frontend/dockerfile/sources.h"

namespace cairn::dockerfile {
namespace {

constexpr char kSourceDirectory[] = "/run/src";
constexpr char kOutputDirectory[] = "/run/out/";
constexpr char kCoreName[] = "sbom";
constexpr char kSpdx[] = "https://spdx.dev/Document";

}  // namespace

StatusOr<SbomScanner> SbomScanner::Resolve(const SbomOptions& options, const Platform& platform,
                                           const std::string& resolve_mode,
                                           ImageResolver& resolver) {
  ASSIGN_OR_RETURN(const ResolvedImage resolved,
                   resolver.Resolve(options.generator, platform, resolve_mode,
                                    absl::StrCat("resolve image config for docker-image://",
                                                 options.generator)));
  SbomScanner scanner;
  ASSIGN_OR_RETURN(scanner.image, ImageConfig::Parse(resolved.config));
  ASSIGN_OR_RETURN(ImageReference reference, ImageReference::Parse(resolved.reference));
  if (!resolved.digest.empty()) {
    reference.digest = resolved.digest;
  }
  scanner.reference = reference.ToString();
  scanner.platform = platform;
  scanner.parameters = options.parameters;
  const bool has_command = !scanner.image.entrypoint.value_or(std::vector<std::string>()).empty() ||
                           !scanner.image.cmd.value_or(std::vector<std::string>()).empty();
  if (!has_command) {
    return Error(absl::StrCat("scanner ", options.generator, " does not have cmd"));
  }
  return scanner;
}

llb::Output SbomScanner::Scan(const std::string& platform_id, const llb::Output& core,
                              const std::map<std::string, llb::Output>& extras,
                              bool ignores_cache) const {
  auto node = std::make_shared<llb::Node>();
  pb::ExecOp& exec = *node->op.mutable_exec();
  pb::Meta& meta = *exec.mutable_meta();
  for (const auto* words : {&image.entrypoint, &image.cmd}) {
    for (const std::string& word : words->value_or(std::vector<std::string>())) {
      meta.add_args(word);
    }
  }
  Environment environment = Environment::FromList(image.env);
  environment.Set("BUILDKIT_SCAN_DESTINATION", kOutputDirectory);
  environment.Set("BUILDKIT_SCAN_SOURCE", absl::StrCat(kSourceDirectory, "/core/", kCoreName));
  if (!extras.empty()) {
    environment.Set("BUILDKIT_SCAN_SOURCE_EXTRAS", absl::StrCat(kSourceDirectory, "/extras"));
  }
  for (const auto& [key, value] : parameters) {
    environment.Set(absl::StrCat("BUILDKIT_SCAN_", key), value);
  }
  for (const std::string& entry : environment.ToList()) {
    meta.add_env(entry);
  }
  meta.set_cwd(image.working_dir.empty() ? "/" : image.working_dir);
  meta.set_removemountstubsrecursive(true);

  const auto add_mount = [&](const std::string& target, const llb::Output& source) {
    pb::Mount* mount = exec.add_mounts();
    mount->set_dest(target);
    mount->set_input(node->AddInput(source));
    mount->set_output(-1);
    return mount;
  };
  add_mount("/", ImageSource(reference, platform, "default"))->set_output(0);
  add_mount(kOutputDirectory, llb::Output())->set_output(1);
  add_mount(absl::StrCat(kSourceDirectory, "/core/", kCoreName), core)->set_readonly(true);
  for (const auto& [name, output] : extras) {
    add_mount(absl::StrCat(kSourceDirectory, "/extras/", kCoreName, "-", name), output)
        ->set_readonly(true);
  }
  add_mount("/tmp", llb::Output())->set_mounttype(pb::TMPFS);

  node->AddCapability("exec.meta.base");
  node->AddCapability("exec.mount.bind");
  node->AddCapability("exec.mount.tmpfs");
  node->SetName(absl::StrCat("[", platform_id, "] generating sbom using ", reference));
  node->metadata.set_ignore_cache(ignores_cache);
  SetPlatform(platform, node->op);
  node->op.mutable_constraints();
  return llb::Output{node, 1};
}

solver::Attestation SbomAttestation(const solver::RefPtr& ref) {
  solver::Attestation attestation;
  attestation.kind = solver::Attestation::Kind::kBundle;
  attestation.ref = ref;
  attestation.metadata = {{"reason", "sbom"}, {"sbom-core", kCoreName}};
  attestation.predicate_type = kSpdx;
  return attestation;
}

}  // namespace cairn::dockerfile
