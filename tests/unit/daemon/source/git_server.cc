#include "tests/unit/daemon/source/git_server.h"

#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "runtime/base/fd.h"
#include "runtime/base/subprocess.h"

namespace cairn::source::testing {
namespace {

using ::cairn::testing::FakeRequest;
using ::cairn::testing::FakeResponse;

constexpr char kPrefix[] = "/repo.git";

// What a CGI program printed.
FakeResponse ParseCgi(const std::string& out) {
  FakeResponse response;
  const size_t end = out.find("\r\n\r\n");
  if (end == std::string::npos) {
    response.status = 500;
    return response;
  }
  for (const string_view line : absl::StrSplit(string_view(out).substr(0, end), "\r\n")) {
    const std::pair<string_view, string_view> field =
        absl::StrSplit(line, absl::MaxSplits(": ", 1));
    if (field.first == "Status") {
      EXPECT_TRUE(absl::SimpleAtoi(field.second.substr(0, 3), &response.status));
    } else {
      response.headers.emplace_back(field.first, field.second);
    }
  }
  response.body = out.substr(end + 4);
  return response;
}

}  // namespace

GitServer::GitServer(Kind kind, const std::string& object_format)
    : kind_(kind),
      work_tree_(directory_ / "repo"),
      server_([this](const FakeRequest& request) { return Answer(request); }) {
  std::filesystem::create_directory(work_tree_);
  Git({"init", "--quiet", "--initial-branch=main", "--object-format=" + object_format});
}

std::string GitServer::Git(const std::vector<std::string>& arguments) {
  SubprocessOptions options{
      .argv = {"git"},
      .environment =
          std::vector<std::string>{
              absl::StrCat("PATH=", std::getenv("PATH")), "HOME=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
              "GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com",
              "GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com",
              "GIT_AUTHOR_DATE=1600000000 +0000", "GIT_COMMITTER_DATE=1600000000 +0000"},
      .directory = work_tree_};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  const StatusOr<CommandOutput> output = RunCommand(std::move(options));
  EXPECT_OK(output.status());
  if (!output.ok()) {
    return "";
  }
  EXPECT_EQ(output->exit_code, 0) << output->err;
  return std::string(absl::StripSuffix(output->out, "\n"));
}

std::string GitServer::Commit(const std::map<std::string, std::string>& files) {
  for (const auto& [path, content] : files) {
    const std::filesystem::path whole = std::filesystem::path(work_tree_) / path;
    std::filesystem::create_directories(whole.parent_path());
    std::filesystem::remove(whole);
    string_view target = content;
    if (absl::ConsumePrefix(&target, "-> ")) {
      std::filesystem::create_symlink(std::string(target), whole);
    } else {
      EXPECT_OK(WriteFileDurably(whole, content));
    }
  }
  Git({"add", "--all"});
  Git({"commit", "--quiet", "--allow-empty", "--message=change"});
  Git({"update-server-info"});
  return Git({"rev-parse", "HEAD"});
}

void GitServer::Demand(const std::string& authorization) { authorization_ = authorization; }

std::vector<std::string> GitServer::Requests() const {
  std::vector<std::string> lines;
  for (const FakeRequest& request : server_.requests()) {
    lines.push_back(absl::StrCat(request.method, " ", request.target));
  }
  return lines;
}

FakeResponse GitServer::Answer(const FakeRequest& request) {
  if (!authorization_.empty() && request.Header("Authorization") != authorization_) {
    return {.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"test\""}}};
  }
  if (!absl::StartsWith(request.target, kPrefix)) {
    return {.status = 404};
  }
  if (kind_ != Kind::kFilesAlone) {
    return RunBackend(request);
  }
  const std::string path = request.target.substr(0, request.target.find('?'));
  StatusOr<std::string> file =
      ReadFile(absl::StrCat(work_tree_, "/.git", path.substr(sizeof kPrefix - 1)));
  return file.ok() ? FakeResponse{.body = *std::move(file)} : FakeResponse{.status = 404};
}

FakeResponse GitServer::RunBackend(const FakeRequest& request) {
  const std::vector<std::string> parts = absl::StrSplit(request.target, absl::MaxSplits('?', 1));
  std::vector<std::string> environment = {
      absl::StrCat("PATH=", std::getenv("PATH")),
      "HOME=/dev/null",
      "GIT_HTTP_EXPORT_ALL=1",
      absl::StrCat("PATH_TRANSLATED=", work_tree_, "/.git", parts[0].substr(sizeof kPrefix - 1)),
      absl::StrCat("REQUEST_METHOD=", request.method),
      absl::StrCat("QUERY_STRING=", parts.size() > 1 ? parts[1] : ""),
      absl::StrCat("CONTENT_TYPE=", request.Header("Content-Type")),
      absl::StrCat("CONTENT_LENGTH=", request.body.size()),
      absl::StrCat("HTTP_CONTENT_ENCODING=", request.Header("Content-Encoding"))};
  if (kind_ == Kind::kSmart) {
    environment.push_back(absl::StrCat("GIT_PROTOCOL=", request.Header("Git-Protocol")));
  }
  const StatusOr<CommandOutput> output = RunCommand(
      {.argv = {"git", "http-backend"}, .environment = std::move(environment)}, request.body);
  EXPECT_OK(output.status());
  return output.ok() ? ParseCgi(output->out) : FakeResponse{.status = 500};
}

}  // namespace cairn::source::testing
