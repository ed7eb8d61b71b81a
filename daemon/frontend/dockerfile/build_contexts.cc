#include "daemon/frontend/dockerfile/build_contexts.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/frontend/dockerfile/context_files.h"
#include "daemon/frontend/dockerfile/dispatch_parts.h"
#include "daemon/frontend/dockerfile/file_op.h"
#include "daemon/frontend/dockerfile/git_reference.h"
#include "daemon/frontend/dockerfile/image_reference.h"
#include "daemon/frontend/dockerfile/sources.h"
#include "daemon/frontend/dockerfile/text.h"
#include "runtime/base/go_match.h"
#include "runtime/base/path_text.h"
#include "runtime/base/pattern.h"
#include "runtime/fs/compression.h"
#include "runtime/fs/tar_reader.h"

namespace cairn::dockerfile {
namespace {

constexpr char kContextName[] = "context";
constexpr char kDefaultFile[] = "Dockerfile";
constexpr char kFallbackFile[] = "dockerfile";
constexpr char kDownloadName[] = "context";

constexpr size_t kTarBlock = 512;

// Whether `block` is a tar header: its checksum field holds the sum of its bytes.
bool IsTarHeader(string_view block) {
  if (block.size() < kTarBlock) {
    return false;
  }
  constexpr size_t kChecksumAt = 148;
  constexpr size_t kChecksumSize = 8;
  uint64_t sum = 0;
  for (size_t i = 0; i < kTarBlock; ++i) {
    const bool is_checksum = i >= kChecksumAt && i < kChecksumAt + kChecksumSize;
    sum += is_checksum ? ' ' : static_cast<unsigned char>(block[i]);
  }
  uint64_t expected = 0;
  for (const char c : block.substr(kChecksumAt, kChecksumSize)) {
    if (c >= '0' && c <= '7') {
      expected = expected * 8 + (c - '0');
    }
  }
  return expected != 0 && expected == sum;
}

bool IsArchive(string_view head) {
  for (const string_view magic : {string_view("BZh"), string_view("\x1F\x8B\x08"),
                                  string_view("\xFD"
                                              "7zXZ\0",
                                              6),
                                  string_view("\x28\xB5\x2F\xFD")}) {
    if (absl::StartsWith(head, magic)) {
      return true;
    }
  }
  return IsTarHeader(head);
}

std::string WithSuffix(const std::string& file, string_view suffix) {
  return absl::StrCat(file, suffix);
}

// `file` with its last element replaced.
std::string Sibling(const std::string& file, const std::string& name) {
  const size_t slash = file.rfind('/');
  return slash == std::string::npos ? name : file.substr(0, slash + 1) + name;
}

// An output that holds only what is below `directory` of `output`.
llb::Output Subdirectory(const llb::Output& output, const std::string& directory) {
  FileOp file{llb::Output()};
  pb::FileActionCopy* copy = file.Add(output)->mutable_copy();
  copy->set_src(NormalizePath("/", directory, false));
  copy->set_dest("/");
  copy->set_mode(-1);
  copy->set_timestamp(-1);
  copy->set_dircopycontents(true);
  return file.Finish();
}

// The one source that `output` is made of; null when there are several or none.
const llb::Node* OnlySource(const llb::Output& output) {
  const llb::Node* source = nullptr;
  std::set<const llb::Node*> seen;
  std::vector<const llb::Node*> to_visit = {output.node.get()};
  while (!to_visit.empty()) {
    const llb::Node* node = to_visit.back();
    to_visit.pop_back();
    if (node == nullptr || !seen.insert(node).second) {
      continue;
    }
    if (node->op.has_source()) {
      if (source != nullptr) {
        return nullptr;
      }
      source = node;
    }
    for (const llb::Output& input : node->inputs) {
      to_visit.push_back(input.node.get());
    }
  }
  return source;
}

// The latest time of a regular file in a tar, compressed or not; nullopt for what is none.
std::optional<absl::Time> NewestFileOf(string_view archive) {
  fs::StringSource source{std::string(archive)};
  const auto plain = fs::NewDetectingDecompressor(source);
  if (!plain.ok()) {
    return std::nullopt;
  }
  fs::TarReader tar(**plain);
  std::optional<int64_t> newest;
  for (;;) {
    const StatusOr<std::optional<fs::TarEntry>> entry = tar.Next();
    if (!entry.ok()) {
      return std::nullopt;
    }
    if (!entry->has_value()) {
      return newest.has_value() ? std::optional(absl::FromUnixNanos(*newest)) : std::nullopt;
    }
    if ((*entry)->kind == fs::Kind::kFile && !(*entry)->hard_link) {
      newest = std::max(newest.value_or(INT64_MIN), (*entry)->metadata.mtime_ns);
    }
  }
}

llb::Output Unpacked(const llb::Output& archive) {
  FileOp file{llb::Output()};
  pb::FileActionCopy* copy = file.Add(archive)->mutable_copy();
  copy->set_src(absl::StrCat("/", kDownloadName));
  copy->set_dest("/");
  copy->set_mode(-1);
  copy->set_timestamp(-1);
  copy->set_attemptunpackdockercompatibility(true);
  return file.Finish();
}

}  // namespace

BuildContexts::BuildContexts(solver::Bridge& bridge, const solver::FrontendRequest& request,
                             const CancelToken& cancel)
    : bridge_(bridge),
      attributes_(request.options),
      // A nested request may bring its own; otherwise the build's count.
      inputs_(request.inputs.empty() ? bridge.inputs() : request.inputs),
      cancel_(cancel) {}

StatusOr<std::unique_ptr<BuildContexts>> BuildContexts::Create(
    solver::Bridge& bridge, const solver::FrontendRequest& request, const CancelToken& cancel) {
  std::unique_ptr<BuildContexts> contexts(new BuildContexts(bridge, request, cancel));
  RETURN_IF_ERROR(contexts->FindMainContext());
  return contexts;
}

std::string BuildContexts::Attribute(const std::string& key) const {
  const auto found = attributes_.find(key);
  return found == attributes_.end() ? "" : found->second;
}

std::string BuildContexts::SessionOf(const std::string& local_name) const {
  const std::string session = Attribute(absl::StrCat("local-sessionid:", local_name));
  return session.empty() ? bridge_.session_id() : session;
}

Status BuildContexts::FindMainContext() {
  if (const std::string filename = Attribute("filename"); !filename.empty()) {
    filename_ = filename;
  }
  const auto dockerfile_key = attributes_.find("dockerfilekey");
  const bool is_dockerfile_local = dockerfile_key != attributes_.end();
  if (is_dockerfile_local) {
    dockerfile_name_ = dockerfile_key->second;
  }
  const std::string context_key = Attribute("contextkey");
  const std::string value = Attribute(context_key.empty() ? kContextName : context_key);
  ASSIGN_OR_RETURN(std::optional<GitReference> git, GitReference::Parse(value));
  if (git.has_value()) {
    if (ParseBool(Attribute("build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR")).value_or(false)) {
      git->keep_git_dir = true;
    }
    if (git->mtime.empty() && !Attribute("build-arg:SOURCE_DATE_EPOCH").empty()) {
      git->mtime = "commit";
    }
    context_ = GitSource(*git);
    context_->node->SetName(absl::StrCat("[internal] load git source ", value));
    dockerfile_ = context_;
  } else if (absl::StartsWith(value, "http://") || absl::StartsWith(value, "https://")) {
    RETURN_IF_ERROR(UseHttpContext(value));
  } else {
    for (const auto& [name, target] : {std::pair{dockerfile_name_, &dockerfile_},
                                       std::pair{std::string(kContextName), &context_}}) {
      const auto input = inputs_.find(name);
      if (input != inputs_.end()) {
        // A named context may be scratch; a context or Dockerfile that is nothing is a mistake, and
        // "Dockerfile not found" would not tell which.
        if (input->second.def().empty()) {
          return absl::InvalidArgumentError(
              absl::StrCat("input ", name, ": invalid nil input definition to definition op"));
        }
        ASSIGN_OR_RETURN(const llb::Graph graph, llb::Graph::Load(input->second));
        *target = llb::FromGraph(graph);
      }
    }
  }
  if (is_dockerfile_local) {
    dockerfile_.reset();
  }
  const std::string subdirectory = Attribute("contextsubdir");
  if (context_.has_value() && !subdirectory.empty()) {
    context_ = Subdirectory(*context_, subdirectory);
  }
  return absl::OkStatus();
}

Status BuildContexts::UseHttpContext(const std::string& url) {
  const llb::Output download = HttpSource(url, kDownloadName, "");
  download.node->SetName("[internal] load remote build context");
  ASSIGN_OR_RETURN_IN(const solver::RefPtr ref, SolveOutput(download),
                      "failed to resolve httpcontext");
  ASSIGN_OR_RETURN_IN(
      const std::string head,
      bridge_.ReadFile(ref, kDownloadName, solver::FileRange{.offset = 0, .length = 1024}, cancel_),
      "failed to read downloaded context");
  if (IsArchive(head)) {
    context_ = Unpacked(download);
  } else {
    context_ = download;  // the URL is the Dockerfile itself
    filename_ = kDownloadName;
  }
  dockerfile_ = context_;
  return absl::OkStatus();
}

StatusOr<solver::RefPtr> BuildContexts::SolveOutput(const llb::Output& output) {
  solver::SolveRequest request;
  request.definition = llb::Marshal(output);
  ASSIGN_OR_RETURN(const solver::FrontendResult result, bridge_.Solve(request, cancel_));
  return result.ref.value_or(nullptr);
}

StatusOr<Entrypoint> BuildContexts::ReadDockerfile() {
  llb::Output output;
  if (dockerfile_.has_value()) {
    output = *dockerfile_;
  } else {
    LocalSourceOptions options{.session_id = SessionOf(dockerfile_name_),
                               .shared_key_hint = dockerfile_name_,
                               .follow_paths = {filename_, WithSuffix(filename_, kIgnoreFile)},
                               .exclude_patterns = {},
                               .differ_none = true};
    if (BaseName(filename_) == kDefaultFile) {
      options.follow_paths.push_back(Sibling(filename_, kFallbackFile));
    }
    output = LocalSource(dockerfile_name_, options);
    output.node->SetName(absl::StrCat("[internal] load build definition from ", filename_));
  }
  ASSIGN_OR_RETURN_IN(const solver::RefPtr ref, SolveOutput(output),
                      "failed to resolve dockerfile");
  const solver::FileRange range{.offset = 0, .length = kMaxTextFile + 1};
  StatusOr<std::string> data = bridge_.ReadFile(ref, filename_, range, cancel_);
  if (!data.ok() && BaseName(filename_) == kDefaultFile) {
    StatusOr<std::string> fallback =
        bridge_.ReadFile(ref, Sibling(filename_, kFallbackFile), range, cancel_);
    if (fallback.ok()) {
      data = std::move(fallback);
    }
  }
  // What is not found may also be the context itself: a ref of a repository, say.
  if (absl::IsNotFound(data.status()) && !absl::IsNotFound(ref->Evaluate(cancel_).status())) {
    return absl::NotFoundError(
        absl::StrCat("failed to read dockerfile: open ", filename_, ": no such file or directory"));
  }
  RETURN_IF_ERROR_IN(data.status(), "failed to read dockerfile");
  if (data->size() > kMaxTextFile) {
    return Error(absl::StrCat("failed to read dockerfile: ", filename_, " is larger than ",
                              kMaxTextFile >> 20, " MiB"));
  }
  StatusOr<std::string> ignore =
      bridge_.ReadFile(ref, WithSuffix(filename_, kIgnoreFile), range, cancel_);
  if (ignore.ok() && ignore->size() <= kMaxTextFile) {
    const MutexLock lock(mu_);
    ignore_file_ = *std::move(ignore);
  }
  Entrypoint entrypoint;
  entrypoint.file = std::make_shared<llb::SourceFile>(
      llb::SourceFile{.filename = filename_,
                      .language = "Dockerfile",
                      .data = *std::move(data),
                      .definition = std::make_shared<const pb::Definition>(llb::Marshal(output))});
  if (!output.is_scratch()) {
    entrypoint.vertex = llb::DigestOf(output);
  }
  return entrypoint;
}

StatusOr<ContextState> BuildContexts::MainContext() {
  ContextState state;
  if (context_.has_value()) {
    state.output = *context_;
    return state;
  }
  ASSIGN_OR_RETURN_IN(const std::vector<std::string> excludes, IgnorePatterns(),
                      "failed to read dockerignore patterns");
  state.output = LocalSource(kContextName, {.session_id = SessionOf(kContextName),
                                            .shared_key_hint = kContextName,
                                            .exclude_patterns = excludes});
  state.output.node->SetName("[internal] load build context");
  state.local = state.output.node;
  return state;
}

StatusOr<std::vector<std::string>> BuildContexts::IgnorePatterns() {
  if (context_.has_value()) {
    return std::vector<std::string>();
  }
  {
    const MutexLock lock(mu_);
    if (ignore_file_.has_value()) {
      return ReadIgnorePatterns(*ignore_file_);
    }
  }
  const llb::Output output =
      LocalSource(kContextName, {.session_id = SessionOf(kContextName),
                                 .shared_key_hint = absl::StrCat(kContextName, "-", kIgnoreFile),
                                 .follow_paths = {kIgnoreFile},
                                 .exclude_patterns = {},
                                 .differ_none = true});
  output.node->SetName(absl::StrCat("[internal] load ", kIgnoreFile));
  ASSIGN_OR_RETURN(const solver::RefPtr ref, SolveOutput(output));
  // A context without the file is the usual case.
  const std::string text =
      bridge_
          .ReadFile(ref, kIgnoreFile, solver::FileRange{.offset = 0, .length = kMaxTextFile},
                    cancel_)
          .value_or("");
  const MutexLock lock(mu_);
  ignore_file_ = text;
  return ReadIgnorePatterns(text);
}

StatusOr<ResolvedImage> BuildContexts::Resolve(const std::string& reference,
                                               const Platform& platform, const std::string& mode,
                                               const std::string& log_name) {
  solver::ResolveImageRequest request;
  request.reference = reference;
  request.platform = platform;
  request.mode = mode;
  request.log_name = log_name;
  ASSIGN_OR_RETURN(const solver::ImageConfig image, bridge_.ResolveImageConfig(request, cancel_));
  return ResolvedImage{image.reference, image.digest.ToString(), image.config};
}

StatusOr<std::optional<absl::Time>> BuildContexts::SourceTime(const llb::Output& output,
                                                              const std::string& log_name) {
  const llb::Node* source = OnlySource(output);
  if (source == nullptr) {
    return std::nullopt;
  }
  const std::string& identifier = source->op.source().identifier();
  if (absl::StartsWith(identifier, "git://")) {
    return CommitTime(*source, log_name);
  }
  if (!absl::StartsWith(identifier, "http://") && !absl::StartsWith(identifier, "https://")) {
    return std::nullopt;
  }
  solver::ResolveSourceRequest request;
  request.source = source->op.source();
  request.log_name = log_name;
  ASSIGN_OR_RETURN(const solver::SourceMeta meta, bridge_.ResolveSourceMeta(request, cancel_));
  const auto name = source->op.source().attrs().find("http.filename");
  if ((meta.http.has_value() && meta.http->last_modified.has_value()) ||
      name == source->op.source().attrs().end() || name->second.empty()) {
    return meta.http.has_value() ? meta.http->last_modified : std::nullopt;
  }
  // A server that does not say when may have sent an archive that does.
  ASSIGN_OR_RETURN(const solver::RefPtr ref,
                   SolveOutput(llb::Output{std::make_shared<llb::Node>(*source)}));
  ASSIGN_OR_RETURN(const std::string archive,
                   bridge_.ReadFile(ref, name->second, std::nullopt, cancel_));
  return NewestFileOf(archive);
}

// With "commit" times every file of the checkout carries the time of its commit.
StatusOr<std::optional<absl::Time>> BuildContexts::CommitTime(const llb::Node& source,
                                                              const std::string& log_name) {
  auto node = std::make_shared<llb::Node>(source);
  node->original_bytes.clear();
  (*node->op.mutable_source()->mutable_attrs())["git.mtime"] = "commit";
  node->AddCapability("source.git.mtime");
  node->SetName(log_name);
  ASSIGN_OR_RETURN(const solver::RefPtr ref, SolveOutput(llb::Output{node}));
  ASSIGN_OR_RETURN(const std::vector<solver::FileStat> files,
                   bridge_.ReadDir(ref, "/", "", cancel_));
  std::optional<absl::Time> latest;
  for (const solver::FileStat& file : files) {
    const absl::Time time = absl::FromUnixNanos(file.metadata.mtime_ns);
    if (file.kind == fs::Kind::kFile && (!latest.has_value() || time > *latest)) {
      latest = time;
    }
  }
  return latest;
}

}  // namespace cairn::dockerfile
