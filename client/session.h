// A session: what this client serves to the daemon while a build runs, over BuildKit's tunnel (an
// HTTP/2 connection inside Control.Session on which the client is the server; protocol.md section
// 2).
//
// Thread-safe. The destructor ends the tunnel and joins its threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/connection.h"
#include "runtime/base/fd.h"
#include "runtime/base/status.h"

namespace cairn::client {

// A directory that the daemon may read, under the name it asks for ("context", "dockerfile", ...).
struct LocalDirectory {
  std::string name;
  std::string path;
};

struct SecretSource {
  std::string id;
  std::string file;         // read when asked for; or
  std::string environment;  // name of a variable of this process
};

struct SshAgentSource {
  std::string id;
  std::string socket;  // of an agent
};

// Where the daemon's exports go, by position in the request's exporter list.
struct ExportTarget {
  int index = 0;
  // Exactly one: a directory that files are written into, a file, or an open descriptor (stdout).
  std::string directory;
  std::string file;
  int descriptor = -1;
};

struct SessionOptions {
  // What the daemon knows the session by; empty for a new id.
  std::string id;
  // Tells contexts of one project apart from another's on the daemon: the base name of the context
  // and a client id that stays the same.
  std::string shared_key;
  std::vector<LocalDirectory> directories;
  std::vector<SecretSource> secrets;
  std::vector<SshAgentSource> ssh_agents;
  std::vector<ExportTarget> exports;
  // OCI image layouts by the name the daemon asks for: "export" is where tar=false writes to,
  // "oci:<id>" one that holds named contexts.
  std::map<std::string, std::string> layouts;
  // Bytes offered for upload by path (a Dockerfile or context from stdin): "/upload/<id>" ->
  // descriptor.
  std::map<std::string, int> uploads;
  // Directory of Docker's config.json; empty means DOCKER_CONFIG or ~/.docker.
  std::string docker_config;
};

class Session {
 public:
  static StatusOr<std::unique_ptr<Session>> Start(Connection& connection, SessionOptions options);
  virtual ~Session() = default;

  // SolveRequest.Session.
  virtual const std::string& id() const = 0;

  // Ends the tunnel; calls of the daemon that are under way fail. The destructor does the same.
  virtual void Finish() = 0;
};

}  // namespace cairn::client
