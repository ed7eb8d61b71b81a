#include "daemon/source/git_checkout.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/random_id.h"
#include "runtime/fs/root_dir.h"
#include "runtime/fs/tree_walk.h"

namespace cairn::source {
namespace {

constexpr char kGitDirectory[] = ".git";

// What a kept ".git" has as its origin: the user's name is part of an ssh URL, a password never.
std::string OriginOf(const GitIdentifier& git) {
  return absl::StartsWith(git.remote, "ssh://") && !absl::StrContains(git.shown(), ":xxxxx@")
             ? git.remote
             : git.shown();
}

class Checkout {
 public:
  Checkout(GitClient& client, const GitRepositories::Use& use, const GitIdentifier& git,
           const GitTarget& target, const CancelToken& cancel)
      : client_(client),
        use_(use),
        git_(git),
        target_(target),
        commit_(target.commit.empty() ? target.object : target.commit),
        keep_(git.keep_git_dir && git.subdir.empty()),
        cancel_(cancel) {}

  // Everything, into the new directory `work_tree`.
  Status Run(const std::string& work_tree, bool shallow_submodules) {
    work_tree_ = work_tree;
    if (::mkdir(work_tree.c_str(), 0755) != 0) {
      return ErrnoStatus(errno, absl::StrCat("make ", work_tree));
    }
    RETURN_IF_ERROR(keep_ ? MakeKept() : MakePassing());
    RETURN_IF_ERROR_IN(Git({"checkout", "--quiet", "--force", "--detach", commit_}).status(),
                       absl::StrCat("failed to checkout remote ", git_.shown()));
    has_submodules_ = !git_.skip_submodules &&
                      ::access(absl::StrCat(work_tree, "/.gitmodules").c_str(), F_OK) == 0;
    if (has_submodules_) {
      RETURN_IF_ERROR(GetSubmodules(shallow_submodules));
    }
    return keep_ ? ForgetWhereFrom() : absl::OkStatus();
  }

  // Whether another way to get submodules may do.
  bool has_submodules() const { return has_submodules_; }

  StatusOr<int64_t> CommitTime() {
    ASSIGN_OR_RETURN(const std::string text, Git({"show", "--no-patch", "--format=%ct", commit_}));
    int64_t seconds = 0;
    if (!absl::SimpleAtoi(text, &seconds)) {
      return absl::DataLossError(absl::StrCat("commit ", commit_, " has no time"));
    }
    return seconds;
  }

 private:
  StatusOr<std::string> Git(std::vector<std::string> arguments) {
    return client_.Run(
        {.arguments = std::move(arguments), .git_dir = git_dir_, .work_tree = work_tree_}, cancel_);
  }

  // A repository for this checkout alone, which borrows the objects: its index, its configuration
  // and the submodules that it gets are nobody else's. Written here, as git init takes longer than
  // all the rest of a small checkout (gitrepository-layout(5)).
  Status MakePassing() {
    git_dir_ = absl::StrCat(use_.scratch(), "/", RandomId(), ".git");
    ASSIGN_OR_RETURN(const fs::RootDir scratch, fs::RootDir::Open(use_.scratch()));
    const std::string name = git_dir_.substr(use_.scratch().size() + 1);
    RETURN_IF_ERROR(scratch.MakeDirectories(absl::StrCat(name, "/objects/info"), 0755));
    RETURN_IF_ERROR(scratch.MakeDirectories(absl::StrCat(name, "/refs/heads"), 0755));
    ASSIGN_OR_RETURN(const fs::RootDir root, scratch.OpenDirectory(name));
    RETURN_IF_ERROR(root.WriteFile("HEAD", "ref: refs/heads/master\n", 0644));
    RETURN_IF_ERROR(root.WriteFile("objects/info/alternates",
                                   absl::StrCat(use_.repository(), "/objects\n"), 0644));
    ASSIGN_OR_RETURN(const fs::RootDir shared, fs::RootDir::Open(use_.repository()));
    const StatusOr<std::string> shallow = shared.ReadFile("shallow", 64 << 20);
    if (shallow.ok()) {
      RETURN_IF_ERROR(root.WriteFile("shallow", *shallow, 0644));
    }
    const bool sha256 = target_.object.size() == 64;
    // Relative URLs of submodules start from the origin.
    return root.WriteFile(
        "config",
        absl::StrCat("[core]\n\trepositoryformatversion = ", sha256 ? 1 : 0, "\n\tbare = false\n",
                     sha256 ? "[extensions]\n\tobjectformat = sha256\n" : "",
                     "[remote \"origin\"]\n\turl = \"", git_.remote, "\"\n"),
        0600);
  }

  // The repository that stays with the files. Copied with git's own protocol, which takes no short
  // cuts over links.
  Status MakeKept() {
    git_dir_ = absl::StrCat(work_tree_, "/", kGitDirectory);
    std::vector<std::string> arguments = {"init", "--quiet"};
    if (target_.object.size() == 64) {
      arguments.push_back("--object-format=sha256");
    }
    RETURN_IF_ERROR(Git(std::move(arguments)).status());
    const bool named = absl::StartsWith(target_.ref, "refs/");
    RETURN_IF_ERROR(Git({"fetch", "--quiet", "--update-head-ok", "--depth=1", "--no-tags",
                         "--no-write-fetch-head", "--", absl::StrCat("file://", use_.repository()),
                         absl::StrCat("+refs/kept/", target_.object, ":",
                                      named ? target_.ref : "refs/fetched")})
                        .status());
    return Git({"remote", "add", "origin", OriginOf(git_)}).status();
  }

  // What would tell one checkout from another of the same commit.
  Status ForgetWhereFrom() {
    RETURN_IF_ERROR(Git({"reflog", "expire", "--all", "--expire=now"}).status());
    if (!absl::StartsWith(target_.ref, "refs/")) {
      RETURN_IF_ERROR(Git({"update-ref", "-d", "refs/fetched"}).status());
    }
    return absl::OkStatus();
  }

  Status GetSubmodules(bool shallow) {
    std::vector<std::string> arguments = {"submodule", "update", "--init", "--recursive"};
    if (shallow) {
      arguments.push_back("--depth=1");
    }
    RETURN_IF_ERROR_IN(Git(std::move(arguments)).status(),
                       absl::StrCat("failed to update submodules for ", git_.shown()));
    return keep_ ? absl::OkStatus() : RemoveLinks();
  }

  // Each submodule has a file that says where its repository is: in the daemon, and gone by then.
  Status RemoveLinks() {
    ASSIGN_OR_RETURN(const fs::RootDir root, fs::RootDir::Open(work_tree_));
    return fs::WalkTree(root.fd(), {.xattrs = false, .cancel = cancel_},
                        [](const fs::WalkEntry& entry) -> StatusOr<fs::WalkAction> {
                          if (entry.name == kGitDirectory && entry.kind == fs::Kind::kFile &&
                              ::unlinkat(entry.parent_fd, kGitDirectory, 0) != 0) {
                            return ErrnoStatus(errno, absl::StrCat("remove ", entry.path));
                          }
                          return fs::WalkAction::kContinue;
                        });
  }

  GitClient& client_;
  const GitRepositories::Use& use_;
  const GitIdentifier& git_;
  const GitTarget& target_;
  const std::string commit_;
  const bool keep_;
  const CancelToken& cancel_;
  std::string work_tree_;
  std::string git_dir_;
  bool has_submodules_ = false;
};

// The directory `path` below `root`, if all on the way to it are directories.
StatusOr<fs::RootDir> OpenSubdirectory(const fs::RootDir& root, const std::string& path) {
  std::string so_far;
  for (const string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    absl::StrAppend(&so_far, so_far.empty() ? "" : "/", part);
    ASSIGN_OR_RETURN_IN(const struct stat status, root.Stat(so_far, false),
                        absl::StrCat("invalid subdir ", path));
    if (!S_ISDIR(status.st_mode)) {
      return absl::FailedPreconditionError(
          absl::StrCat("invalid subdir ", path, ": ", so_far, " is not a directory"));
    }
  }
  return root.OpenDirectory(absl::StrCat("./", so_far));
}

// Moves what is in `path` of `name`, an entry of `root`, into `root` itself; the rest goes.
Status MoveUp(const fs::RootDir& root, const std::string& name, const std::string& path) {
  ASSIGN_OR_RETURN(const fs::RootDir work_tree, root.OpenDirectory(name));
  ASSIGN_OR_RETURN(const fs::RootDir wanted, OpenSubdirectory(work_tree, path));
  ASSIGN_OR_RETURN(const std::vector<std::string> entries, fs::ListDirectory(wanted.fd()));
  for (const std::string& entry : entries) {
    if (::renameat(wanted.fd(), entry.c_str(), root.fd(), entry.c_str()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("move ", entry));
    }
  }
  return fs::RemoveTree(root.fd(), name);
}

Status SetTimes(const fs::RootDir& root, int64_t seconds, const CancelToken& cancel) {
  const timespec times[2] = {{.tv_sec = seconds, .tv_nsec = 0}, {.tv_sec = seconds, .tv_nsec = 0}};
  RETURN_IF_ERROR(fs::WalkTree(
      root.fd(), {.xattrs = false, .cancel = cancel},
      [&](const fs::WalkEntry& entry) -> StatusOr<fs::WalkAction> {
        if (::utimensat(entry.parent_fd, entry.name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
          return ErrnoStatus(errno, absl::StrCat("set the time of ", entry.path));
        }
        return fs::WalkAction::kContinue;
      }));
  return ::utimensat(root.fd(), ".", times, 0) == 0
             ? absl::OkStatus()
             : ErrnoStatus(errno, "set the time of the root");
}

}  // namespace

Status CheckOutGit(GitClient& client, const GitRepositories::Use& use, const GitIdentifier& git,
                   const GitTarget& target, const std::string& directory,
                   const CancelToken& cancel) {
  ASSIGN_OR_RETURN(const fs::RootDir root, fs::RootDir::Open(directory));
  // No entry of the repository has this name, as nobody can know it.
  const std::string name = absl::StrCat(".checkout-", RandomId());
  const std::string work_tree = absl::StrCat(directory, "/", name);
  Checkout checkout(client, use, git, target, cancel);
  Status done = checkout.Run(work_tree, true);
  if (!done.ok() && !absl::IsCancelled(done) && checkout.has_submodules()) {
    // Some servers cannot leave the history out, or give only the newest commit away without it.
    RETURN_IF_ERROR(fs::RemoveTree(root.fd(), name));
    done = checkout.Run(work_tree, false);
  }
  RETURN_IF_ERROR(done);
  int64_t seconds = 0;
  if (git.commit_times) {
    ASSIGN_OR_RETURN(seconds, checkout.CommitTime());
  }
  RETURN_IF_ERROR(MoveUp(root, name, git.subdir));
  return git.commit_times ? SetTimes(root, seconds, cancel) : absl::OkStatus();
}

}  // namespace cairn::source
