#include "client/docker_config.h"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/json_text.h"
#include "runtime/base/fd.h"
#include "runtime/base/subprocess.h"

namespace cairn::client {
namespace {

using nlohmann::json;

// Docker Hub's credentials are kept under the address of its first API.
constexpr char kHubKey[] = "https://index.docker.io/v1/";

std::vector<std::string> KeysOf(const std::string& host) {
  if (host == "docker.io" || host == "registry-1.docker.io" || host == "index.docker.io") {
    return {kHubKey, "docker.io", "index.docker.io"};
  }
  return {host, absl::StrCat("https://", host), absl::StrCat("https://", host, "/v1/"),
          absl::StrCat("https://", host, "/v2/")};
}

StatusOr<RegistryCredentials> AskHelper(const std::string& helper, const std::string& key) {
  const std::string program = absl::StrCat("docker-credential-", helper);
  ASSIGN_OR_RETURN(CommandOutput output, RunCommand({.argv = {program, "get"}}, key));
  if (output.exit_code != 0) {
    if (absl::StrContains(output.out, "credentials not found")) {
      return RegistryCredentials{};
    }
    return absl::FailedPreconditionError(absl::StrCat(program, ": ", output.out, output.err));
  }
  const json answer = json::parse(output.out, nullptr, false);
  if (!answer.is_object()) {
    return absl::FailedPreconditionError(absl::StrCat(program, ": the answer is not JSON"));
  }
  RegistryCredentials credentials{StringIn(answer, "Username"), StringIn(answer, "Secret")};
  if (credentials.username == "<token>") {
    credentials.username.clear();
  }
  return credentials;
}

StatusOr<RegistryCredentials> FromAuth(const json& entry) {
  const std::string token = StringIn(entry, "identitytoken");
  if (!token.empty()) {
    return RegistryCredentials{"", token};
  }
  std::string decoded;
  if (!absl::Base64Unescape(StringIn(entry, "auth"), &decoded)) {
    return absl::InvalidArgumentError("docker config: auth is not base64");
  }
  const size_t colon = decoded.find(':');
  if (colon == std::string::npos) {
    return RegistryCredentials{StringIn(entry, "username"), StringIn(entry, "password")};
  }
  return RegistryCredentials{decoded.substr(0, colon), decoded.substr(colon + 1)};
}

}  // namespace

DockerConfig::DockerConfig(const std::string& directory) : path_(directory) {
  if (path_.empty()) {
    const char* configured = std::getenv("DOCKER_CONFIG");
    const char* home = std::getenv("HOME");
    path_ =
        configured != nullptr ? configured : absl::StrCat(home != nullptr ? home : "", "/.docker");
  }
  path_ += "/config.json";
}

StatusOr<RegistryCredentials> DockerConfig::Find(const std::string& host) const {
  auto text = ReadFile(path_);
  if (!text.ok()) {
    return absl::IsNotFound(text.status()) ? StatusOr<RegistryCredentials>(RegistryCredentials{})
                                           : text.status();
  }
  const json config = json::parse(*text, nullptr, false);
  if (!config.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": not a JSON object"));
  }
  const std::vector<std::string> keys = KeysOf(host);
  const auto helpers = config.find("credHelpers");
  if (helpers != config.end() && helpers->is_object()) {
    for (const std::string& key : keys) {
      const std::string helper = StringIn(*helpers, key.c_str());
      if (!helper.empty()) {
        return AskHelper(helper, key);
      }
    }
  }
  const std::string store = StringIn(config, "credsStore");
  if (!store.empty()) {
    ASSIGN_OR_RETURN(RegistryCredentials credentials, AskHelper(store, keys[0]));
    if (!credentials.secret.empty()) {
      return credentials;
    }
  }
  const auto auths = config.find("auths");
  if (auths != config.end() && auths->is_object()) {
    for (const std::string& key : keys) {
      const auto entry = auths->find(key);
      if (entry != auths->end() && entry->is_object() && !entry->empty()) {
        return FromAuth(*entry);
      }
    }
  }
  return RegistryCredentials{};
}

}  // namespace cairn::client
