#include "daemon/source/git_fetch.h"

#include <unistd.h>

#include <cstdio>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace cairn::source {
namespace {

constexpr char kHead[] = "HEAD";
constexpr char kSymbolic[] = "ref: ";
constexpr char kPeeled[] = "^{}";
constexpr char kFetched[] = "refs/fetched";

// The lines of ls-remote by name, and what HEAD points to.
struct Advertised {
  std::map<std::string, std::string> hashes;
  std::string head;  // "refs/heads/main", or empty
};

Advertised ParseAdvertised(const std::string& text) {
  Advertised out;
  for (string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<string_view, string_view> parts =
        absl::StrSplit(line, absl::MaxSplits('\t', 1));
    string_view value = parts.first;
    if (!absl::ConsumePrefix(&value, kSymbolic)) {
      out.hashes.emplace(parts.second, value);
    } else if (parts.second == kHead) {
      out.head = std::string(value);
    }
  }
  return out;
}

std::string WithPrefix(string_view prefix, string_view name) {
  absl::ConsumePrefix(&name, prefix);
  return absl::StrCat(prefix, name);
}

StatusOr<GitTarget> Choose(const std::string& ref, const std::string& text) {
  const Advertised advertised = ParseAdvertised(text);
  std::vector<std::string> names;
  if (ref.empty()) {
    names = {advertised.head, kHead};
  } else {
    // A branch goes before a tag of that name, as in git checkout.
    names = {WithPrefix("refs/", ref), WithPrefix("refs/heads/", ref),
             WithPrefix("refs/tags/", ref)};
  }
  for (const std::string& name : names) {
    // With a name that HEAD points to, only the line of HEAD itself is asked for.
    auto found = advertised.hashes.find(ref.empty() ? kHead : name);
    if (name.empty() || found == advertised.hashes.end()) {
      continue;
    }
    GitTarget target{.ref = name, .object = found->second, .commit = ""};
    if (!IsCommitHash(target.object)) {
      return absl::DataLossError(absl::StrCat("the git server names no commit: \"",
                                              absl::CHexEscape(target.object), "\""));
    }
    found = advertised.hashes.find(absl::StrCat(name, kPeeled));
    if (found != advertised.hashes.end() && absl::StartsWith(name, "refs/tags/")) {
      target.commit = found->second;
    }
    return target;
  }
  return absl::NotFoundError(absl::StrCat("repository does not contain ref ",
                                          ref.empty() ? kHead : ref, ", output: \"",
                                          absl::CHexEscape(text.substr(0, 1000)), "\""));
}

std::string CommitOf(string_view name) { return absl::StrCat(name, "^{commit}"); }

// One fetch's attempts.
class Fetcher {
 public:
  Fetcher(GitClient& client, const std::string& repository, const CancelToken& cancel)
      : client_(client), repository_(repository), cancel_(cancel) {}

  // Gets the object and all that it is made of; the commit that it is or names.
  StatusOr<std::string> Run(const GitTarget& target) {
    if (target.advertised) {
      const Status fetched = Fetch({absl::StrCat("+", target.ref, ":", kFetched)});
      if (!absl::StrContains(fetched.message(), "couldn't find remote ref")) {
        RETURN_IF_ERROR(fetched);
        const auto got = Git({"rev-parse", kFetched, CommitOf(kFetched)});
        string_view hashes = got.ok() ? *got : string_view();
        if (absl::ConsumePrefix(&hashes, target.object + "\n")) {
          return std::string(absl::StripSuffix(hashes, "\n"));
        }
      }
    }
    // The ref has moved since it was asked for, or a hash is all that is known.
    const Status by_hash = Fetch({absl::StrCat("+", target.object, ":", kFetched)});
    if (!by_hash.ok()) {
      RETURN_IF_ERROR(cancel_.Check());
      // Servers may give only what their refs name, and what that is made of.
      RETURN_IF_ERROR(FetchAll());
    }
    const auto commit = FindCommit(target.object);
    return commit.ok()
               ? commit
               : absl::NotFoundError(absl::StrCat("the remote does not give the commit ",
                                                  target.object, " away: ", by_hash.message()));
  }

  // The commit that `name` is or leads to.
  StatusOr<std::string> FindCommit(const std::string& name) {
    ASSIGN_OR_RETURN(const std::string hash,
                     Git({"rev-parse", "--verify", "--quiet", CommitOf(name)}));
    return std::string(absl::StripSuffix(hash, "\n"));
  }

  StatusOr<std::string> Git(std::vector<std::string> arguments) {
    return client_.Run({.arguments = std::move(arguments), .git_dir = repository_}, cancel_);
  }

  Status Make(bool sha256) {
    if (::access((repository_ + "/HEAD").c_str(), F_OK) == 0) {
      return absl::OkStatus();
    }
    // Under another name first: a repository that is there is whole.
    const std::string temporary = repository_ + ".new";
    std::vector<std::string> arguments = {"init", "--quiet", "--bare"};
    if (sha256) {
      arguments.push_back("--object-format=sha256");
    }
    RETURN_IF_ERROR(
        client_.Run({.arguments = std::move(arguments), .git_dir = temporary}, cancel_).status());
    if (std::rename(temporary.c_str(), repository_.c_str()) != 0) {
      return ErrnoStatus(errno, absl::StrCat("rename ", temporary));
    }
    return absl::OkStatus();
  }

 private:
  Status Fetch(const std::vector<std::string>& what) {
    if (shallow_) {
      const Status fetched = Fetch("--depth=1", what);
      // Servers that only give files away cannot leave the history out.
      if (!absl::StrContains(fetched.message(), "shallow") &&
          !absl::StrContains(fetched.message(), "--depth")) {
        return fetched;
      }
      shallow_ = false;
    }
    return Fetch("", what);
  }

  Status FetchAll() {
    const bool cut = ::access((repository_ + "/shallow").c_str(), F_OK) == 0;
    return Fetch(cut ? "--unshallow" : "",
                 {"+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*"});
  }

  Status Fetch(const std::string& option, const std::vector<std::string>& what) {
    std::vector<std::string> arguments = {"fetch", "--no-tags", "--no-write-fetch-head"};
    if (!option.empty()) {
      arguments.push_back(option);
    }
    arguments.insert(arguments.end(), {"--", GitClient::kRemote});
    arguments.insert(arguments.end(), what.begin(), what.end());
    return Git(std::move(arguments)).status();
  }

  GitClient& client_;
  const std::string& repository_;
  const CancelToken& cancel_;
  bool shallow_ = true;
};

}  // namespace

StatusOr<GitTarget> ResolveGit(const GitIdentifier& git, GitClient* client,
                               const CancelToken& cancel) {
  if (IsCommitHash(git.ref)) {
    return GitTarget{.ref = git.ref, .object = git.ref, .commit = "", .advertised = false};
  }
  if (git.fetch_by_commit) {
    // The key has to be the one that asking would have given.
    const std::string ref = git.ref.empty() ? git.checksum : git.ref;
    return GitTarget{.ref = git.ref.empty() || absl::StartsWith(ref, "refs/")
                                ? ref
                                : absl::StrCat("refs/heads/", ref),
                     .object = git.checksum,
                     .commit = "",
                     .advertised = false};
  }
  const std::string ref = git.ref == kHead ? "" : git.ref;
  std::vector<std::string> arguments = {"ls-remote", "--symref", "--", GitClient::kRemote};
  if (ref.empty()) {
    arguments.push_back(kHead);
  } else {
    arguments.insert(arguments.end(), {ref, absl::StrCat(ref, kPeeled)});
  }
  ASSIGN_OR_RETURN_IN(const std::string text,
                      client->Run({.arguments = std::move(arguments)}, cancel),
                      absl::StrCat("failed to fetch remote ", git.shown()));
  return Choose(ref, text);
}

Status CheckGitChecksum(const GitIdentifier& git, const GitTarget& target) {
  if (absl::StartsWith(target.object, git.checksum) ||
      (!target.commit.empty() && absl::StartsWith(target.commit, git.checksum))) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("expected checksum to match ", git.checksum, ", got ", target.object,
                   target.commit.empty() ? "" : " or ", target.commit));
}

Status FetchGit(GitClient& client, const std::string& repository, GitTarget& target,
                const CancelToken& cancel) {
  Fetcher fetcher(client, repository, cancel);
  RETURN_IF_ERROR(fetcher.Make(target.object.size() == 64));
  // Named only when all that it is made of is there, and a base for what is fetched later.
  const std::string kept = absl::StrCat("refs/kept/", target.object);
  StatusOr<std::string> commit = fetcher.FindCommit(kept);
  if (!commit.ok()) {
    RETURN_IF_ERROR(cancel.Check());
    ASSIGN_OR_RETURN(commit, fetcher.Run(target));
    RETURN_IF_ERROR(fetcher.Git({"update-ref", kept, target.object}).status());
  }
  target.commit = *commit == target.object ? "" : *std::move(commit);
  return absl::OkStatus();
}

}  // namespace cairn::source
