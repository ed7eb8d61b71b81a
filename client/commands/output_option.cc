#include "client/commands/output_option.h"

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/fields.h"

namespace cairn::client {
namespace {

std::string Take(std::map<std::string, std::string>& fields, const std::string& key) {
  const auto it = fields.find(key);
  if (it == fields.end()) {
    return "";
  }
  std::string value = std::move(it->second);
  fields.erase(it);
  return value;
}

}  // namespace

StatusOr<std::map<std::string, std::string>> ParseFields(const std::string& text) {
  ASSIGN_OR_RETURN_IN(const std::vector<std::string> fields, SplitFields(text),
                      absl::StrCat("\"", text, "\""));
  std::map<std::string, std::string> parsed;
  for (const std::string& field : fields) {
    const size_t equals = field.find('=');
    parsed[field.substr(0, equals)] = equals == std::string::npos ? "" : field.substr(equals + 1);
  }
  return parsed;
}

StatusOr<OutputOption> ParseOutput(const std::string& text) {
  OutputOption option;
  if (text == "-") {
    option.output.type = "tar";
    option.targets.push_back({.descriptor = 1});
    return option;
  }
  if (!absl::StrContains(text, "=")) {
    option.output.type = "local";
    option.targets.push_back({.directory = text});
    return option;
  }
  ASSIGN_OR_RETURN(option.output.attributes, ParseFields(text));
  option.output.type = Take(option.output.attributes, "type");
  if (option.output.type == "registry") {
    option.output.type = "image";
    option.output.attributes["push"] = "true";
  }
  const std::string& type = option.output.type;
  if (type.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("output \"", text, "\": type is missing"));
  }
  const std::string destination = Take(option.output.attributes, "dest");
  if (type == "local") {
    if (destination.empty()) {
      return absl::InvalidArgumentError("output type=local: dest is missing");
    }
    option.targets.push_back({.directory = destination});
  } else if (const auto tar = option.output.attributes.find("tar");
             (type == "oci" || type == "docker") && tar != option.output.attributes.end() &&
             tar->second == "false") {
    if (destination.empty() || destination == "-") {
      return absl::InvalidArgumentError(
          absl::StrCat("output type=", type, ",tar=false: dest is missing (a directory)"));
    }
    option.layout = destination;
  } else if (type == "tar" || type == "oci" || type == "docker") {
    if (destination == "-" || (destination.empty() && type != "docker")) {
      option.targets.push_back({.descriptor = 1});
    } else if (!destination.empty()) {
      option.targets.push_back({.file = destination});
    } else {
      return absl::InvalidArgumentError(
          "output type=docker: dest is missing (a file for the archive, or - for stdout)");
    }
  } else if (!destination.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("output type=", type, " takes no dest"));
  }
  return option;
}

StatusOr<SecretSource> ParseSecret(const std::string& text) {
  ASSIGN_OR_RETURN(auto fields, ParseFields(text));
  const std::string type = Take(fields, "type");
  SecretSource secret{.id = Take(fields, "id")};
  for (const char* key : {"src", "source"}) {
    const std::string value = Take(fields, key);
    secret.file = value.empty() ? secret.file : value;
  }
  secret.environment = Take(fields, "env");
  if (!fields.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("secret \"", text, "\": unexpected key '", fields.begin()->first, "'"));
  }
  if (secret.id.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("secret \"", text, "\": id is missing"));
  }
  if (type == "env" && secret.environment.empty()) {
    secret.environment = secret.file.empty() ? secret.id : std::exchange(secret.file, "");
  }
  if (secret.file.empty() && secret.environment.empty()) {
    // As Docker does: a variable of that name, else a file of that name.
    (std::getenv(secret.id.c_str()) != nullptr ? secret.environment : secret.file) = secret.id;
  }
  return secret;
}

StatusOr<SshAgentSource> ParseSsh(const std::string& text) {
  const size_t equals = text.find('=');
  SshAgentSource agent{.id = text.substr(0, equals)};
  if (equals != std::string::npos) {
    agent.socket = text.substr(equals + 1);
  } else if (const char* socket = std::getenv("SSH_AUTH_SOCK"); socket != nullptr) {
    agent.socket = socket;
  }
  if (agent.socket.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("ssh \"", text, "\": no agent socket given and SSH_AUTH_SOCK is not set"));
  }
  return agent;
}

StatusOr<BuildRequest::Output> ParseCache(const std::string& text) {
  BuildRequest::Output cache;
  if (!absl::StrContains(text, "=")) {
    return BuildRequest::Output{.type = "registry", .attributes = {{"ref", text}}};
  }
  ASSIGN_OR_RETURN(cache.attributes, ParseFields(text));
  cache.type = Take(cache.attributes, "type");
  if (cache.type.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("cache \"", text, "\": type is missing"));
  }
  return cache;
}

}  // namespace cairn::client
