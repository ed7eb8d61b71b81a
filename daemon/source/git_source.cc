#include "daemon/source/git_source.h"

#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/session/secrets.h"
#include "daemon/session/session_group.h"
#include "daemon/solver/solver.h"
#include "daemon/source/git_checkout.h"
#include "proto/ops.pb.h"

namespace cairn::source {
namespace {

std::string Format(const GitTarget& target) {
  return absl::StrCat(target.object, " ", target.commit, " ", target.ref);
}

std::optional<GitTarget> ParseTarget(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(' ', 2));
  if (parts.size() != 3) {
    return std::nullopt;
  }
  return GitTarget{.ref = parts[2], .object = parts[0], .commit = parts[1]};
}

std::string TokenHeader(const std::string& token) {
  return absl::StrCat("basic ", absl::Base64Escape(absl::StrCat("x-access-token:", token)));
}

}  // namespace

StatusOr<std::unique_ptr<GitSource>> GitSource::Create(const pb::SourceOp& op,
                                                       GitSourceStores stores) {
  ASSIGN_OR_RETURN(GitIdentifier git, GitIdentifier::Parse(op));
  return std::unique_ptr<GitSource>(new GitSource(std::move(git), std::move(stores)));
}

StatusOr<std::string> GitSource::AuthorizationOf(const session::SessionGroup& sessions,
                                                 const CancelToken& cancel) {
  struct Secret {
    const std::string& name;
    std::string suffix;
    bool token;
  };
  // Those for the host alone go first.
  const Secret secrets[] = {{git_.header_secret, absl::StrCat(".", git_.host), false},
                            {git_.token_secret, absl::StrCat(".", git_.host), true},
                            {git_.header_secret, "", false},
                            {git_.token_secret, "", true}};
  for (const Secret& secret : secrets) {
    if (secret.name.empty() || !absl::StartsWith(git_.remote, "http")) {
      continue;
    }
    std::optional<std::string> value;
    const Status found = sessions.Any(
        stores_.sessions, cancel, [&](const std::shared_ptr<session::Session>& session) -> Status {
          ASSIGN_OR_RETURN(value, session::GetSecret(
                                      *session, absl::StrCat(secret.name, secret.suffix), cancel));
          return absl::OkStatus();
        });
    RETURN_IF_ERROR(cancel.Check());
    if (found.ok() && value.has_value()) {
      return secret.token ? TokenHeader(*value) : *std::move(value);
    }
  }
  return std::string();
}

StatusOr<std::unique_ptr<session::SshAgent>> GitSource::OpenAgent(
    const session::SessionGroup& sessions, const CancelToken& cancel) {
  std::unique_ptr<session::SshAgent> agent;
  const Status opened = sessions.Any(
      stores_.sessions, cancel, [&](const std::shared_ptr<session::Session>& session) -> Status {
        RETURN_IF_ERROR(session::CheckSshAgent(*session, git_.ssh_agent, cancel));
        ASSIGN_OR_RETURN(
            agent, session::SshAgent::Listen(
                       session, {.id = git_.ssh_agent, .uid = ::geteuid(), .gid = ::getegid()},
                       stores_.sockets, cancel));
        return absl::OkStatus();
      });
  if (absl::IsUnimplemented(opened) || absl::IsUnavailable(opened)) {
    return absl::FailedPreconditionError(
        absl::StrCat("no SSH key \"", git_.ssh_agent, "\" forwarded from the client"));
  }
  RETURN_IF_ERROR(opened);
  return agent;
}

StatusOr<GitSource::Connection> GitSource::Connect(const std::string& directory,
                                                   const session::SessionGroup& sessions,
                                                   solver::VertexReporter* reporter,
                                                   const CancelToken& cancel) {
  Connection connection;
  GitAccess access{.remote = git_.remote, .known_hosts = git_.known_hosts};
  ASSIGN_OR_RETURN(access.authorization, AuthorizationOf(sessions, cancel));
  if (!git_.ssh_agent.empty()) {
    ASSIGN_OR_RETURN(connection.agent, OpenAgent(sessions, cancel));
    access.ssh_socket = connection.agent->socket_path();
  }
  ASSIGN_OR_RETURN(connection.client, GitClient::Create(directory, access, reporter));
  return connection;
}

StatusOr<GitTarget> GitSource::Resolve(const session::SessionGroup& sessions,
                                       solver::BuildMemory& build, solver::VertexReporter* reporter,
                                       const CancelToken& cancel) {
  const std::string question = absl::StrCat("git ", git_.remote, "#", git_.ref);
  std::optional<GitTarget> target;
  if (IsCommitHash(git_.ref) || git_.fetch_by_commit) {
    ASSIGN_OR_RETURN(target, ResolveGit(git_, nullptr, cancel));
  } else if (const auto pinned = build.Pinned(question); pinned.has_value()) {
    target = ParseTarget(*pinned);
  }
  if (!target.has_value()) {
    ASSIGN_OR_RETURN(const fs::TempDir directory, stores_.repositories.NewScratch());
    ASSIGN_OR_RETURN(const Connection connection,
                     Connect(directory.path(), sessions, reporter, cancel));
    ASSIGN_OR_RETURN(const GitTarget asked, ResolveGit(git_, connection.client.get(), cancel));
    // Another step of the build may have asked meanwhile.
    target = ParseTarget(build.Pin(question, Format(asked))).value_or(asked);
  }
  RETURN_IF_ERROR(CheckGitChecksum(git_, *target));
  return *std::move(target);
}

StatusOr<solver::Prepared> GitSource::Prepare(solver::OpContext& context) {
  ASSIGN_OR_RETURN(
      target_, Resolve(context.sessions, context.job.memory(), &context.reporter, context.cancel));
  solver::Prepared prepared;
  prepared.record_type = gc::RecordType::kGitCheckout;
  prepared.pin = target_->object;
  prepared.key.emplace("git 1");
  if (git_.keep_git_dir) {
    // The directory names tag, ref and origin.
    prepared.key->Add("object", target_->object)
        .Add("ref", target_->ref)
        .Add("origin", git_.shown());
  } else {
    prepared.key->Add("commit", target_->commit.empty() ? target_->object : target_->commit);
  }
  prepared.key->Add("subdir", git_.subdir)
      .AddNumber("submodules", git_.skip_submodules ? 0 : 1)
      .AddNumber("commit times", git_.commit_times ? 1 : 0);
  return prepared;
}

StatusOr<std::unique_ptr<GitRepositories::Use>> GitSource::Acquire(const GitTarget& target,
                                                                   gc::Lease& lease,
                                                                   const CancelToken& cancel) {
  // A repository holds hashes of one kind.
  return stores_.repositories.Acquire(
      absl::StrCat(git_.remote, target.object.size() == 64 ? " sha256" : " sha1"),
      absl::StrCat("shared git repo for ", git_.shown()), lease, cancel);
}

StatusOr<std::vector<solver::OpOutput>> GitSource::Run(solver::OpContext& context,
                                                       const std::vector<layer::Chain>&) {
  ASSIGN_OR_RETURN(const auto use, Acquire(*target_, context.lease, context.cancel));
  ASSIGN_OR_RETURN(const Connection connection,
                   Connect(use->scratch(), context.sessions, &context.reporter, context.cancel));
  RETURN_IF_ERROR_IN(FetchGit(*connection.client, use->repository(), *target_, context.cancel),
                     absl::StrCat("failed to fetch remote ", git_.shown()));
  ASSIGN_OR_RETURN(const layer::Chain scratch, stores_.chains.Scratch());
  ASSIGN_OR_RETURN(auto writable, stores_.snapshots.NewWritable(scratch));
  RETURN_IF_ERROR(CheckOutGit(*connection.client, *use, git_, *target_, writable->upper_directory(),
                              context.cancel));
  ASSIGN_OR_RETURN(layer::Chain chain,
                   stores_.snapshots.Commit(std::move(writable), scratch, context.cancel));
  return std::vector<solver::OpOutput>{{.chain = std::move(chain), .base_input = -1}};
}

StatusOr<GitObjects> GitSource::ReadObjects(GitTarget& target,
                                            const session::SessionGroup& sessions,
                                            const CancelToken& cancel) {
  const auto lease = stores_.ledger.NewLease();
  ASSIGN_OR_RETURN(const auto use, Acquire(target, *lease, cancel));
  ASSIGN_OR_RETURN(const Connection connection, Connect(use->scratch(), sessions, nullptr, cancel));
  RETURN_IF_ERROR_IN(FetchGit(*connection.client, use->repository(), target, cancel),
                     absl::StrCat("failed to fetch remote ", git_.shown()));
  const auto read = [&](const std::string& type, const std::string& hash) {
    return connection.client->Run(
        {.arguments = {"cat-file", type, hash}, .git_dir = use->repository(), .work_tree = ""},
        cancel);
  };
  GitObjects objects;
  if (!target.commit.empty()) {
    ASSIGN_OR_RETURN(objects.tag, read("tag", target.object));
  }
  ASSIGN_OR_RETURN(objects.commit,
                   read("commit", target.commit.empty() ? target.object : target.commit));
  return objects;
}

}  // namespace cairn::source
