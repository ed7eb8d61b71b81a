// StageState: a stage while it is converted. StageGraph: all of them, and how they depend.
//
// Owned by one conversion; not thread-safe (base images are resolved into different stages at the
// same time, which touches nothing shared).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "daemon/frontend/dockerfile/environment.h"
#include "daemon/frontend/dockerfile/image_config.h"
#include "daemon/frontend/dockerfile/instruction.h"
#include "daemon/frontend/dockerfile/outline.h"
#include "daemon/llb/builder.h"
#include "runtime/base/platform.h"
#include "runtime/base/status.h"

namespace cairn::dockerfile {

struct StageState;

// An instruction with the stages it takes files from: for COPY at most one, for RUN one a mount.
struct StageCommand {
  Command command;
  std::vector<StageState*> sources;
  bool is_onbuild = false;
};

// Remembers where CMD, ENTRYPOINT or HEALTHCHECK was set in this stage.
struct SetOnce {
  bool is_set = false;
  Ranges location;
};

struct StageState {
  Stage stage;
  // As progress shows it: the name, "stage-N", or "" in a file of one stage.
  std::string display_name;
  StageState* base = nullptr;  // the stage it is FROM; null: an image, scratch or a context
  // Stages it takes files from, with the instruction that does.
  std::vector<std::pair<StageState*, Ranges>> dependencies;
  std::vector<StageCommand> commands;

  // Not written in the file: an image or context named in COPY --from or a mount.
  bool is_unregistered = false;
  bool has_named_context = false;  // its name is replaced by a context
  bool is_resolved = false;        // base image looked up
  bool is_dispatched = false;      // output is final
  bool has_onbuild = false;        // triggers of the base stage were added

  // The filesystem and what RUN sees.
  llb::Output output;
  std::shared_ptr<llb::Node> local;  // the client's directory, when it is one
  Environment environment;
  std::string working_dir;  // "" is "/"
  std::string user;
  std::optional<Platform> platform;

  ImageConfig image;
  std::optional<ImageConfig> base_image;  // as resolved, never changed
  std::vector<ArgDefinition> build_args;

  std::set<std::string> context_paths;  // used of the build context
  // Used of this stage's own output; shared with the stages based on it.
  std::shared_ptr<std::set<std::string>> paths = std::make_shared<std::set<std::string>>();

  bool ignores_cache = false;
  bool workdir_set = false;  // by an instruction of this file
  int command_index = 0;     // of the vertex names: "[stage 2/5]"
  int command_total = 0;
  bool scans_stage = false;
  bool scans_context = false;
  SetOnce cmd;
  SetOnce entrypoint;
  SetOnce healthcheck;
  OutlineCapture outline;

  // Takes over filesystem and config of the base stage.
  void InheritFromBase();
};

class StageGraph {
 public:
  // Adds a stage; one whose base is the name of an earlier stage is based on it.
  StageState* Add(std::unique_ptr<StageState> stage);

  StageState* FindByName(const std::string& name) const;   // any case; null when absent
  StatusOr<StageState*> FindByIndex(int64_t index) const;  // "invalid stage index N"
  std::vector<std::string> DisplayNames() const;

  const std::vector<std::unique_ptr<StageState>>& stages() const { return stages_; }

  // Stages that `target` needs, itself included.
  static std::set<StageState*> Reachable(StageState* target);

  // "circular dependency detected on stage: x" with the lines of the circle.
  Status CheckCycles() const;

 private:
  std::vector<std::unique_ptr<StageState>> stages_;
  std::map<std::string, StageState*> by_name_;  // lower case
};

}  // namespace cairn::dockerfile
