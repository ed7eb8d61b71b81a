// BuildContexts: where the Dockerfile, the build context and named contexts of one build come from,
// and the road to them over the daemon's bridge (protocol.md 6.2, 6.3).
//
// Thread-safe after Create: platforms are converted at the same time.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/frontend/dockerfile/converter.h"
#include "daemon/llb/builder.h"
#include "daemon/solver/frontend.h"
#include "runtime/base/cancel.h"
#include "runtime/base/status.h"
#include "runtime/base/sync.h"

namespace cairn::dockerfile {

// The Dockerfile as it was read, with the digest of the op that brought it (warnings name it).
struct Entrypoint {
  std::shared_ptr<const llb::SourceFile> file;
  std::optional<Digest> vertex;
};

class BuildContexts : public ContextSource, public ImageResolver {
 public:
  // Finds out what the main context is; a URL is downloaded to see whether it is an archive.
  // `request` and `bridge` outlive the object.
  static StatusOr<std::unique_ptr<BuildContexts>> Create(solver::Bridge& bridge,
                                                         const solver::FrontendRequest& request,
                                                         const CancelToken& cancel);

  // Reads the Dockerfile, and the ignore file beside it. Call once, before any conversion.
  StatusOr<Entrypoint> ReadDockerfile();

  StatusOr<ContextState> MainContext() override;
  StatusOr<std::vector<std::string>> IgnorePatterns() override;
  StatusOr<std::optional<ContextState>> NamedContext(const std::string& name,
                                                     const Platform& platform) override;
  bool HasNamedContext(const std::string& name, const Platform& platform) override;
  StatusOr<std::optional<absl::Time>> SourceTime(const llb::Output& source,
                                                 const std::string& log_name) override;

  StatusOr<ResolvedImage> Resolve(const std::string& reference, const Platform& platform,
                                  const std::string& mode, const std::string& log_name) override;

 private:
  // A named context as the client gave it.
  struct Named {
    std::string key;    // the name, with "::platform" when it is for one platform only
    std::string name;   // normalised
    std::string value;  // "docker-image://..", "local:..", ..
  };

  BuildContexts(solver::Bridge& bridge, const solver::FrontendRequest& request,
                const CancelToken& cancel);

  std::string Attribute(const std::string& key) const;
  std::string SessionOf(const std::string& local_name) const;
  Status FindMainContext();
  Status UseHttpContext(const std::string& url);
  StatusOr<solver::RefPtr> SolveOutput(const llb::Output& output);
  std::optional<Named> FindNamed(const std::string& name, const Platform& platform) const;
  StatusOr<ContextState> LoadNamed(const Named& named, const Platform& platform);
  StatusOr<ContextState> LoadImage(const Named& named, const Platform& platform);
  StatusOr<ContextState> LoadOciLayout(const Named& named, const Platform& platform);
  StatusOr<ContextState> LoadLocal(const Named& named);
  StatusOr<ContextState> LoadInput(const Named& named);
  StatusOr<ContextState> LoadUrl(const Named& named);
  StatusOr<std::optional<absl::Time>> CommitTime(const llb::Node& source,
                                                 const std::string& log_name);

  solver::Bridge& bridge_;
  const std::map<std::string, std::string>& attributes_;
  const std::map<std::string, pb::Definition>& inputs_;
  const CancelToken cancel_;

  // Constant after Create().
  std::optional<llb::Output> context_;     // absent: the client's directory
  std::optional<llb::Output> dockerfile_;  // where the Dockerfile is, unless in a local directory
  std::string dockerfile_name_ = "dockerfile";
  std::string filename_ = "Dockerfile";

  Mutex mu_;
  std::optional<std::string> ignore_file_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cairn::dockerfile
