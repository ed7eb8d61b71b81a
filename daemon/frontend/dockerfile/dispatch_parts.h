// The parts that dispatching instructions is made of; see dispatch.h.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "daemon/frontend/dockerfile/dispatch.h"

namespace cairn::dockerfile {

// An instruction being applied.
struct Dispatched {
  const DispatchContext& context;
  StageState& stage;
  StageCommand& entry;
  Linter linter;  // with the options of the comments before the instruction

  const Command& command() const { return entry.command; }
};

// Expands `word` in the stage's environment; unknown variables are reported.
StatusOr<std::string> Expand(const Dispatched& d, string_view word);

Status DispatchRun(const Dispatched& d, RunCommand& run);
Status DispatchExpose(const Dispatched& d, const ExposeCommand& expose);
Status DispatchAdd(const Dispatched& d, AddCommand& add);
Status DispatchCopy(const Dispatched& d, CopyCommand& copy);

// Adds a history entry. A step that changes files gets " # buildkit" after its text when
// `is_marked`.
void AddHistory(const Dispatched& d, const std::string& text, bool has_layer, bool is_marked);

// `words` with the stage's shell before them.
std::vector<std::string> WithShell(const ImageConfig& image, const std::vector<std::string>& words);

// The vertex name of an instruction: "[stage 2/5] RUN make"; counts it.
std::string VertexTitle(StageState& stage, const std::string& text, bool show_platform,
                        const std::optional<Platform>& platform, const Environment& environment);

// The same for the instruction being applied, with "ONBUILD" for those of a base image.
std::string StepTitle(const Dispatched& d, const std::string& text);

// `code` with its keyword in upper case and variables expanded as `lex` says; as it is when that
// fails.
std::string TitleText(const std::string& code, const Environment& environment,
                      const LexOptions& lex);

// Attaches the lines of `location` in the Dockerfile.
void SetLocation(const DispatchContext& context, llb::Node& node, const Ranges& location);

// The platform an op of `stage` runs on.
Platform OpPlatform(const DispatchContext& context, const StageState& stage);
void SetPlatform(const Platform& platform, pb::Op& op);

// "user[:group]" -> owner; names are looked up in input `base` of the op (-1: nowhere).
void SetOwner(const std::string& owner, int64_t base, pb::ChownOpt* message);

// `path` made absolute against `directory`; a trailing "/" or "/." is kept when `keep_slash`.
std::string NormalizePath(const std::string& directory, const std::string& path, bool keep_slash);

// A filesystem that holds one file, at "/`name`".
llb::Output InlineFileOutput(const std::string& name, const std::string& data, int mode);

}  // namespace cairn::dockerfile
