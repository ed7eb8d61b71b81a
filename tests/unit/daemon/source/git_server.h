// A git repository in a directory of its own, served over HTTP on a free loopback port.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/unit/runtime/net/fake_http_server.h"
#include "tests/unit/testing.h"

namespace cairn::source::testing {

class GitServer {
 public:
  // How much the server can do.
  enum class Kind {
    kSmart,       // gives any commit, with or without history
    kRefsOnly,    // gives only what its refs name
    kFilesAlone,  // a file server that knows nothing of git
  };

  explicit GitServer(Kind kind = Kind::kSmart, const std::string& object_format = "sha1");

  std::string url() const { return server_.url("/repo.git").ToString(); }
  std::string address() const { return server_.address(); }
  // The directory of the files; the repository is in its ".git".
  const std::string& work_tree() const { return work_tree_; }

  // Runs git in the work tree; what it prints, without the last newline. A failure fails the test.
  std::string Git(const std::vector<std::string>& arguments);
  // Writes files (a content that starts with "-> " makes a link) and commits all there is; the
  // commit's hash.
  std::string Commit(const std::map<std::string, std::string>& files);

  // Requests without this Authorization header are refused from now on.
  void Demand(const std::string& authorization);
  // Requests so far, each "GET /path?query".
  std::vector<std::string> Requests() const;

 private:
  ::cairn::testing::FakeResponse Answer(const ::cairn::testing::FakeRequest& request);
  ::cairn::testing::FakeResponse RunBackend(const ::cairn::testing::FakeRequest& request);

  const Kind kind_;
  ::cairn::testing::TempDir directory_;
  const std::string work_tree_;
  std::string authorization_;
  ::cairn::testing::FakeHttpServer server_;  // last: its threads use the rest
};

}  // namespace cairn::source::testing
