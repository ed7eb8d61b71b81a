// COPY and ADD: files of the context, of other stages, of URLs and repositories, and heredocs.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/dispatch_parts.h"
#include "daemon/frontend/dockerfile/file_op.h"
#include "daemon/frontend/dockerfile/git_reference.h"
#include "daemon/frontend/dockerfile/lint_checks.h"
#include "daemon/frontend/dockerfile/sources.h"
#include "daemon/frontend/dockerfile/text.h"
#include "runtime/base/digest.h"
#include "runtime/base/go_match.h"

namespace cairn::dockerfile {
namespace {

// COPY and ADD, whatever they have in common.
struct CopyRequest {
  bool is_add = false;
  CopySources& sources;
  llb::Output from;               // where paths are
  bool is_build_context = false;  // .. and the ignore file counts
  std::string chown;
  std::string chmod;
  bool link = false;
  bool parents = false;
  std::vector<std::string> excludes;
  std::optional<bool> keep_git_dir;
  std::string checksum;
  std::optional<bool> unpack;
};

// Whether ADD fetches `source` from elsewhere.
bool IsRemote(const std::string& source) {
  const StatusOr<std::optional<GitReference>> git = GitReference::Parse(source);
  return IsHttpSource(source) || (git.ok() && git->has_value() && !(*git)->may_be_local);
}

struct CopyMode {
  int32_t octal = -1;    // as it is
  std::string symbolic;  // "u=rwX,go=rX"
};

Status InvalidMode(const std::string& chmod) {
  return Error(absl::StrCat("invalid chmod parameter: '", chmod,
                            "'. it should be octal string and between 0 and 07777"));
}

// Clauses of chmod(1): who, then operators with permissions.
bool IsSymbolicMode(const std::string& text) {
  for (string_view clause : absl::StrSplit(text, ',')) {
    size_t i = std::min(clause.find_first_not_of("ugoa"), clause.size());
    if (i == clause.size()) {
      return false;
    }
    while (i < clause.size()) {
      if (string_view("+-=").find(clause[i]) == string_view::npos) {
        return false;
      }
      i = std::min(clause.find_first_not_of("rwxXstugo", i + 1), clause.size());
    }
  }
  return !text.empty();
}

StatusOr<CopyMode> ParseMode(const std::string& chmod) {
  CopyMode mode;
  if (chmod.empty()) {
    return mode;
  }
  if (std::all_of(chmod.begin(), chmod.end(), [](char c) { return c >= '0' && c <= '7'; })) {
    if (chmod.size() > 10 || std::stoul(chmod, nullptr, 8) > 07777) {
      return InvalidMode(chmod);
    }
    mode.octal = static_cast<int32_t>(std::stoul(chmod, nullptr, 8));
    return mode;
  }
  if (absl::ascii_isdigit(chmod[0])) {
    return InvalidMode(chmod);
  }
  if (!IsSymbolicMode(chmod)) {
    return Error(absl::StrCat("invalid mode ", Quote(chmod),
                              ": invalid syntax: want octal digits or a mode such as u+x,g=rX"));
  }
  mode.octal = 0;
  mode.symbolic = chmod;
  return mode;
}

class Copier {
 public:
  Copier(const Dispatched& d, CopyRequest& request, FileOp& file)
      : d_(d), request_(request), file_(file) {}

  Status Run(const std::string& title) {
    title_ = title;
    ASSIGN_OR_RETURN(mode_, ParseMode(request_.chmod));
    RETURN_IF_ERROR(CheckChecksum());
    std::string path = request_.sources.destination;
    if (path.empty() || path == ".") {
      path = "./";  // the working directory, as a directory
    }
    destination_ = NormalizePath(d_.stage.working_dir, path, true);
    for (const std::string& source : request_.sources.paths) {
      RETURN_IF_ERROR(AddSource(source));
    }
    for (const InlineFile& inline_file : request_.sources.inline_files) {
      const llb::Output source = InlineFileOutput(inline_file.path, inline_file.data, 0644);
      AddCopy(source, JoinPath("/", inline_file.path));
    }
    return absl::OkStatus();
  }

 private:
  Status CheckChecksum() const {
    if (request_.checksum.empty()) {
      return absl::OkStatus();
    }
    const std::vector<std::string>& paths = request_.sources.paths;
    if (paths.size() != 1) {
      return Error("checksum can't be specified for multiple sources");
    }
    if (!IsHttpSource(paths[0]) && !IsGitSource(paths[0])) {
      return Error("checksum requires HTTP(S) or Git sources");
    }
    return absl::OkStatus();
  }

  Status AddSource(const std::string& source) {
    ASSIGN_OR_RETURN(const std::optional<GitReference> git, GitReference::Parse(source));
    if (git.has_value() && !git->may_be_local) {
      return AddGit(*git);
    }
    if (IsHttpSource(source)) {
      return AddHttp(source);
    }
    AddPath(source);
    return absl::OkStatus();
  }

  Status AddGit(GitReference git) {
    if (!request_.is_add) {
      return Error("source can't be a git ref for COPY");
    }
    if (request_.keep_git_dir.has_value() && git.keep_git_dir.has_value() &&
        *request_.keep_git_dir != *git.keep_git_dir) {
      return Error("inconsistent keep-git-dir configuration");
    }
    if (!git.keep_git_dir.has_value()) {
      git.keep_git_dir = request_.keep_git_dir;
    }
    if (!request_.checksum.empty() && !git.checksum.empty() && request_.checksum != git.checksum) {
      return Error(absl::StrCat("checksum mismatch ", Quote(request_.checksum),
                                " != ", Quote(git.checksum)));
    }
    if (git.checksum.empty()) {
      git.checksum = request_.checksum;
    }
    git.mtime.clear();
    AddCopy(Named(GitSource(git)), "/");
    return absl::OkStatus();
  }

  Status AddHttp(const std::string& url) {
    if (!request_.is_add) {
      return Error("source can't be a URL for COPY");
    }
    if (!request_.checksum.empty()) {
      const StatusOr<Digest> digest = Digest::Parse(request_.checksum);
      if (!digest.ok()) {
        return Error(absl::StrContains(request_.checksum, ":") &&
                             !absl::StartsWith(request_.checksum, "sha256:")
                         ? "unsupported digest algorithm"
                         : "invalid checksum digest format");
      }
    }
    const std::string name = UrlFileName(url);
    AddCopy(Named(HttpSource(url, name, request_.checksum)), JoinPath("/", name))
        ->set_attemptunpackdockercompatibility(request_.unpack.value_or(false));
    return absl::OkStatus();
  }

  void AddPath(std::string source) {
    if (request_.is_build_context && d_.context.ignore.has_value()) {
      CheckCopiedPath(source, request_.is_add, *d_.context.ignore, d_.command().location,
                      d_.linter);
    }
    std::string pattern;
    std::string required;
    if (request_.parents) {
      // "/./" ends the part of the path that is not kept.
      const size_t pivot = source.find("/./");
      pattern = pivot == std::string::npos ? source : source.substr(pivot + 3);
      source = pivot == std::string::npos ? "/" : source.substr(0, pivot);
      pattern = NormalizePath("/", pattern, false).substr(1);
      if (!HasGoWildcard(source) && !HasGoWildcard(pattern)) {
        required = NormalizePath("/", JoinPath(source, pattern), false);
      }
    }
    pb::FileActionCopy* copy = AddCopy(request_.from, NormalizePath("/", source, false));
    copy->set_followsymlink(true);
    copy->set_dircopycontents(true);
    copy->set_allowwildcard(true);
    copy->set_allowemptywildcard(true);
    copy->set_attemptunpackdockercompatibility(request_.unpack.value_or(request_.is_add));
    if (request_.parents) {
      copy->add_include_patterns(pattern);
    }
    if (!required.empty()) {
      copy->add_required_paths(required);
    }
  }

  // A source of this instruction: fetched as a step of its own, whose failure is this line's.
  llb::Output Named(llb::Output source) {
    source.node->SetName(title_);
    SetLocation(d_.context, *source.node, d_.command().location);
    return source;
  }

  pb::FileActionCopy* AddCopy(const llb::Output& source, const std::string& path) {
    pb::FileActionCopy* copy = file_.Add(source)->mutable_copy();
    copy->set_src(path);
    copy->set_dest(destination_);
    copy->set_mode(mode_.octal);
    copy->set_modestr(mode_.symbolic);
    copy->set_createdestpath(true);
    copy->set_timestamp(-1);
    if (!request_.chown.empty()) {
      SetOwner(request_.chown, file_.base_input(), copy->mutable_owner());
    }
    for (const std::string& pattern : request_.excludes) {
      copy->add_exclude_patterns(pattern);
    }
    return copy;
  }

  const Dispatched& d_;
  CopyRequest& request_;
  FileOp& file_;
  CopyMode mode_;
  std::string title_;
  std::string destination_;
};

std::string HistoryText(const CopyRequest& request) {
  std::string text = request.is_add ? "ADD" : "COPY";
  if (request.parents) {
    absl::StrAppend(&text, " --parents");
  }
  if (!request.chown.empty()) {
    absl::StrAppend(&text, " --chown=", request.chown);
  }
  if (!request.chmod.empty()) {
    absl::StrAppend(&text, " --chmod=", request.chmod);
  }
  for (const std::string& path : request.sources.paths) {
    absl::StrAppend(&text, " ", path);
  }
  for (const InlineFile& file : request.sources.inline_files) {
    absl::StrAppend(&text, " <<", file.path);
  }
  return absl::StrCat(text, " ", request.sources.destination);
}

void SetProgressGroup(llb::Node& node, const std::string& id, const std::string& name,
                      bool is_weak) {
  node.metadata.mutable_progress_group()->set_id(id);
  node.metadata.mutable_progress_group()->set_name(name);
  node.metadata.mutable_progress_group()->set_weak(is_weak);
}

Status Apply(const Dispatched& d, CopyRequest& request) {
  const std::string text = TitleText(d.command().code, d.stage.environment, d.context.lex);
  const std::string title = StepTitle(d, text);
  // A linked copy stands on its own, so that it is reused when what is below it changes.
  const bool is_linked = request.link && request.chmod.empty();
  FileOp file(is_linked ? llb::Output() : d.stage.output);
  RETURN_IF_ERROR(Copier(d, request, file).Run(title));
  const auto finish = [&](llb::Node& node, const std::string& name) {
    node.SetName(name);
    SetLocation(d.context, node, d.command().location);
    node.metadata.set_ignore_cache(d.stage.ignores_cache);
  };
  finish(file.node(), title);
  const llb::Output copied = file.Finish();
  if (!is_linked) {
    d.stage.output = copied;
  } else {
    const std::string group =
        Digest::Of(absl::StrCat(d.stage.display_name, "\n", title, "\n", d.command().code))
            .hex()
            .substr(0, 25);
    SetProgressGroup(*copied.node, group, title, true);
    const llb::Output merged = llb::Merge({d.stage.output, copied});
    if (merged.node != copied.node) {
      --d.stage.command_index;  // the merge is the same step
      finish(*merged.node, StepTitle(d, absl::StrCat("LINK ", text)));
      SetProgressGroup(*merged.node, group, title, false);
    }
    d.stage.output = merged;
  }
  AddHistory(d, HistoryText(request), true, true);
  return absl::OkStatus();
}

Status ExpandSources(const Dispatched& d, CopySources& sources) {
  for (std::string& path : sources.paths) {
    ASSIGN_OR_RETURN(path, Expand(d, path));
  }
  ASSIGN_OR_RETURN(sources.destination, Expand(d, sources.destination));
  for (InlineFile& file : sources.inline_files) {
    if (!file.expands) {
      continue;
    }
    const StatusOr<LexResult> data =
        ExpandWord(file.data, d.stage.environment, {.ignore_quotes = true});
    RETURN_IF_ERROR(data.status());
    CheckUndefinedVariables(data->unmatched, d.stage.build_args, d.stage.environment,
                            d.command().location, d.linter);
    file.data = data->text;
  }
  return absl::OkStatus();
}

}  // namespace

Status DispatchAdd(const Dispatched& d, AddCommand& add) {
  ASSIGN_OR_RETURN(add.chown, Expand(d, add.chown));
  ASSIGN_OR_RETURN(add.chmod, Expand(d, add.chmod));
  ASSIGN_OR_RETURN(add.checksum, Expand(d, add.checksum));
  RETURN_IF_ERROR(ExpandSources(d, add.sources));
  CopyRequest request{.is_add = true,
                      .sources = add.sources,
                      .from = d.context.build_context.output,
                      .is_build_context = true,
                      .chown = add.chown,
                      .chmod = add.chmod,
                      .link = add.link,
                      .parents = false,
                      .excludes = add.excludes,
                      .keep_git_dir = add.keep_git_dir,
                      .checksum = add.checksum,
                      .unpack = add.unpack};
  RETURN_IF_ERROR(Apply(d, request));
  for (const std::string& path : add.sources.paths) {
    if (!IsRemote(path)) {
      d.stage.context_paths.insert(JoinPath("/", path));
    }
  }
  return absl::OkStatus();
}

Status DispatchCopy(const Dispatched& d, CopyCommand& copy) {
  ASSIGN_OR_RETURN(copy.chown, Expand(d, copy.chown));
  ASSIGN_OR_RETURN(copy.chmod, Expand(d, copy.chmod));
  RETURN_IF_ERROR(ExpandSources(d, copy.sources));
  StageState* source = d.entry.sources.empty() ? nullptr : d.entry.sources[0];
  if (source != nullptr && !source->is_dispatched) {
    return Error(absl::StrCat("cannot copy from stage ", Quote(copy.from),
                              ", it needs to be defined before current stage ",
                              Quote(d.stage.display_name)));
  }
  CopyRequest request{.is_add = false,
                      .sources = copy.sources,
                      .from = source != nullptr ? source->output : d.context.build_context.output,
                      .is_build_context = source == nullptr,
                      .chown = copy.chown,
                      .chmod = copy.chmod,
                      .link = copy.link,
                      .parents = copy.parents,
                      .excludes = copy.excludes};
  RETURN_IF_ERROR(Apply(d, request));
  std::set<std::string>& used = source != nullptr ? *source->paths : d.stage.context_paths;
  for (const std::string& path : copy.sources.paths) {
    used.insert(JoinPath("/", path));
  }
  return absl::OkStatus();
}

}  // namespace cairn::dockerfile
