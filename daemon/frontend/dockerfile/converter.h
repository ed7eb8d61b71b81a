// Converter: a Dockerfile and the options of a build -> LLB and the config of the image.
//
// The conversion decides nothing about files: it reads image configs through ImageResolver and
// learns where contexts come from through ContextSource. Only stages that the target needs are
// converted, and only their base images resolved.
//
// Convert() is a function of its arguments; calls may run at the same time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "daemon/frontend/dockerfile/build_options.h"
#include "daemon/frontend/dockerfile/image_config.h"
#include "daemon/frontend/dockerfile/linter.h"
#include "daemon/frontend/dockerfile/outline.h"
#include "daemon/llb/builder.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

// What an image's name stands for at this moment.
struct ResolvedImage {
  std::string reference;  // normalised; with another name when a policy replaced it
  std::string digest;     // "sha256:.."; may be empty
  std::string config;     // JSON
};

// Thread-safe: base images are resolved at the same time.
class ImageResolver {
 public:
  virtual ~ImageResolver() = default;
  virtual StatusOr<ResolvedImage> Resolve(const std::string& reference, const Platform& platform,
                                          const std::string& mode, const std::string& log_name) = 0;
};

// A context as LLB. When it is a directory of the client, `local` is its source op, whose paths may
// still be narrowed to those that are used.
struct ContextState {
  llb::Output output;
  std::shared_ptr<llb::Node> local;
  std::optional<ImageConfig> image;  // of a context that is an image
};

// Where the build context and named contexts come from. Thread-safe.
class ContextSource {
 public:
  virtual ~ContextSource() = default;

  virtual StatusOr<ContextState> MainContext() = 0;
  // Patterns of the main context's ignore file; none when it is not a local directory.
  virtual StatusOr<std::vector<std::string>> IgnorePatterns() = 0;
  // The context that replaces image or stage `name` on `platform`; nullopt when none does.
  virtual StatusOr<std::optional<ContextState>> NamedContext(const std::string& name,
                                                             const Platform& platform) = 0;
  virtual bool HasNamedContext(const std::string& name, const Platform& platform) = 0;
  // The time a remote source carries (a commit's, a Last-Modified header's), if any.
  virtual StatusOr<std::optional<absl::Time>> SourceTime(const llb::Output& source,
                                                         const std::string& log_name) = 0;
};

struct ConvertOptions {
  BuildOptions build;
  std::optional<Platform> target_platform;  // absent: the first build platform, or the image's
  std::vector<Platform> build_platforms;    // at least one
  std::shared_ptr<const llb::SourceFile> source;  // the Dockerfile; may be null
  Linter::Sink warn;                              // may be empty
  bool all_stages = false;                        // convert stages that nobody needs, too
  ImageResolver* resolver = nullptr;              // required
  ContextSource* contexts = nullptr;              // null: one local directory, no named contexts
};

struct Converted {
  llb::Output output;
  ImageConfig image;
  std::optional<ImageConfig> base_image;
  std::optional<absl::Time> epoch;  // SOURCE_DATE_EPOCH
  bool ignores_cache = false;
  // What else an SBOM scan should look at: the build context and stages, by name.
  std::map<std::string, llb::Output> scan_extras;
  Outline outline;
};

StatusOr<Converted> Convert(string_view dockerfile, const ConvertOptions& options);

}  // namespace cairn::dockerfile
