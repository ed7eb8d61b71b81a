#include "daemon/frontend/dockerfile/dispatch_parts.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/file_op.h"
#include "daemon/frontend/dockerfile/lint_checks.h"
#include "runtime/base/go_match.h"

namespace cairn::dockerfile {
namespace {

constexpr char kHistoryComment[] = "buildkit.dockerfile.v0";

// The platform that a stage builds for, as its TARGET* variables say.
std::optional<Platform> PlatformOf(const Environment& environment) {
  Platform platform;
  bool is_set = false;
  for (const auto& [name, value] : environment.entries()) {
    if (name == "TARGETPLATFORM") {
      const StatusOr<Platform> parsed = Platform::Parse(value);
      if (parsed.ok()) {
        return *parsed;
      }
    } else if (name == "TARGETOS") {
      platform.os = value;
      is_set = true;
    } else if (name == "TARGETARCH") {
      platform.architecture = value;
      is_set = true;
    } else if (name == "TARGETVARIANT") {
      platform.variant = value;
      is_set = true;
    }
  }
  return is_set ? std::optional<Platform>(platform) : std::nullopt;
}

// "->arm64" in a stage that runs on one platform and builds for another.
std::string CrossSuffix(const Platform& base, const Environment& environment) {
  std::optional<Platform> target = PlatformOf(environment);
  if (!target.has_value()) {
    return "";
  }
  if (target->os.empty()) {
    target->os = base.os;
  }
  if (target->architecture.empty()) {
    target->architecture = base.architecture;
  }
  const Platform platform = target->Normalized();
  if (platform.os != base.os) {
    return absl::StrCat("->", platform.ToString());
  }
  if (platform.architecture != base.architecture) {
    return absl::StrCat("->", platform.architecture, platform.variant.empty() ? "" : "/",
                        platform.variant);
  }
  return "";
}

void SetUser(const std::string& name, int64_t base, pb::UserOpt* message) {
  int32_t id = 0;
  if (name == "root" || absl::SimpleAtoi(name, &id)) {
    message->set_byid(static_cast<uint32_t>(id));
  } else if (name.empty()) {
    message->set_byid(0);
  } else {
    message->mutable_byname()->set_name(name);
    message->mutable_byname()->set_input(base);
  }
}

}  // namespace

StatusOr<std::string> Expand(const Dispatched& d, string_view word) {
  const StatusOr<LexResult> result = ExpandWord(word, d.stage.environment, d.context.lex);
  if (!result.ok()) {
    return result.status();
  }
  CheckUndefinedVariables(result->unmatched, d.stage.build_args, d.stage.environment,
                          d.command().location, d.linter);
  return result->text;
}

void AddHistory(const Dispatched& d, const std::string& text, bool has_layer, bool is_marked) {
  d.stage.image.history.push_back(
      HistoryEntry{.created = d.context.epoch,
                   .created_by = absl::StrCat(text, is_marked ? " # buildkit" : ""),
                   .author = "",
                   .comment = kHistoryComment,
                   .empty_layer = !has_layer});
}

std::vector<std::string> WithShell(const ImageConfig& image,
                                   const std::vector<std::string>& words) {
  std::vector<std::string> line = image.shell;
  if (line.empty()) {
    line = image.platform.os == "windows" ? std::vector<std::string>{"cmd", "/S", "/C"}
                                          : std::vector<std::string>{"/bin/sh", "-c"};
  }
  line.push_back(absl::StrJoin(words, " "));
  return line;
}

std::string VertexTitle(StageState& stage, const std::string& text, bool show_platform,
                        const std::optional<Platform>& platform, const Environment& environment) {
  if (stage.command_total == 0) {
    return text;
  }
  std::string title = "[";
  if (show_platform && platform.has_value()) {
    absl::StrAppend(&title, platform->ToString(), CrossSuffix(*platform, environment), " ");
  }
  if (!stage.display_name.empty()) {
    absl::StrAppend(&title, stage.display_name, " ");
  }
  const int width = static_cast<int>(absl::StrCat(stage.command_total).size());
  absl::StrAppendFormat(&title, "%*d/%d] ", width, ++stage.command_index, stage.command_total);
  return absl::StrCat(title, text);
}

std::string StepTitle(const Dispatched& d, const std::string& text) {
  return VertexTitle(
      d.stage,
      d.entry.is_onbuild && d.stage.command_total > 0 ? absl::StrCat("ONBUILD ", text) : text,
      d.context.options.build.multi_platform, OpPlatform(d.context, d.stage), d.stage.environment);
}

std::string TitleText(const std::string& code, const Environment& environment,
                      const LexOptions& lex) {
  const StatusOr<LexResult> expanded = ExpandWord(code, environment, lex);
  const std::string text = expanded.ok() ? expanded->text : code;
  const size_t blank = text.find(' ');
  return absl::StrCat(absl::AsciiStrToUpper(text.substr(0, blank)),
                      blank == std::string::npos ? "" : text.substr(blank));
}

void SetLocation(const DispatchContext& context, llb::Node& node, const Ranges& location) {
  if (context.options.source != nullptr) {
    node.locations.push_back(llb::SourceLocation{context.options.source, location});
  }
}

Platform OpPlatform(const DispatchContext& context, const StageState& stage) {
  return stage.platform.value_or(context.target_platform).Normalized();
}

void SetPlatform(const Platform& platform, pb::Op& op) {
  op.mutable_platform()->set_os(platform.os);
  op.mutable_platform()->set_architecture(platform.architecture);
  op.mutable_platform()->set_variant(platform.variant);
  op.mutable_platform()->set_osversion(platform.os_version);
  for (const std::string& feature : platform.os_features) {
    op.mutable_platform()->add_osfeatures(feature);
  }
}

void SetOwner(const std::string& owner, int64_t base, pb::ChownOpt* message) {
  const size_t colon = owner.find(':');
  SetUser(owner.substr(0, colon), base, message->mutable_user());
  if (colon != std::string::npos) {
    SetUser(owner.substr(colon + 1), base, message->mutable_group());
  }
}

std::string NormalizePath(const std::string& directory, const std::string& path, bool keep_slash) {
  const std::string parent = directory.empty() ? "/" : directory;
  std::string result = absl::StartsWith(path, "/") ? CleanPath(path)
                       : path.empty()              ? CleanPath(parent)
                                                   : JoinPath(JoinPath("/", parent), path);
  if (keep_slash && absl::EndsWith(path, "/") && !absl::EndsWith(result, "/")) {
    result += "/";
  } else if (keep_slash && absl::EndsWith(path, "/.")) {
    absl::StrAppend(&result, absl::EndsWith(result, "/") ? "." : "/.");
  }
  return result;
}

llb::Output InlineFileOutput(const std::string& name, const std::string& data, int mode) {
  FileOp file{llb::Output()};
  pb::FileActionMkFile* make = file.Add()->mutable_mkfile();
  make->set_path(JoinPath("/", name));
  make->set_mode(mode);
  make->set_data(data);
  make->set_timestamp(-1);
  file.node().SetName("[internal] preparing inline document");
  return file.Finish();
}

}  // namespace cairn::dockerfile
