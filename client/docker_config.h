// Registry credentials as Docker's command line keeps them: ~/.docker/config.json with `auths`, and
// the credential helper programs that `credHelpers` and `credsStore` name.
//
// Immutable; thread-safe. Looked up when asked, never cached.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace cairn::client {

struct RegistryCredentials {
  std::string username;  // empty with a secret: the secret is an identity token
  std::string secret;
};

class DockerConfig {
 public:
  // `directory` empty means DOCKER_CONFIG or ~/.docker. A missing file is no credentials.
  explicit DockerConfig(const std::string& directory);

  // Empty credentials when there are none. kInvalidArgument for a config that is not JSON,
  // kFailedPrecondition when a credential helper fails, naming it.
  StatusOr<RegistryCredentials> Find(const std::string& host) const;

 private:
  std::string path_;
};

}  // namespace cairn::client
