// cairn build: a Dockerfile and a context in, an image (or files) out.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/build.h"
#include "client/client_id.h"
#include "client/commands/cache_option.h"
#include "client/commands/command.h"
#include "client/commands/output_option.h"
#include "client/display/display.h"
#include "client/image_layout.h"
#include "client/render_error.h"
#include "runtime/base/fd.h"
#include "runtime/fs/temp_dir.h"

namespace cairn::client {
namespace {

namespace stdfs = std::filesystem;

// The name by which the daemon asks for the layout that tar=false writes.
constexpr char kExportLayout[] = "export";
// --output type=cacheonly: the build is run, and nothing is made of its result.
constexpr char kNoOutput[] = "cacheonly";

struct BuildFlags {
  std::string context = ".";
  std::string file;
  std::vector<std::string> tags;
  std::string target;
  std::vector<std::string> build_args;
  std::vector<std::string> labels;
  std::vector<std::string> platforms;
  bool no_cache = false;
  std::vector<std::string> no_cache_filters;
  bool pull = false;
  std::vector<std::string> secrets;
  std::vector<std::string> ssh;
  std::vector<std::string> outputs;
  std::vector<std::string> cache_from;
  std::vector<std::string> cache_to;
  std::vector<std::string> build_contexts;
  std::vector<std::string> add_hosts;
  std::vector<std::string> allow;
  std::vector<std::string> ulimits;
  std::string network;
  std::string shm_size;
  bool push = false;
  std::string load;
  std::string progress = "auto";
  bool quiet = false;
  std::string iid_file;
  std::string metadata_file;
};

constexpr char kLayoutScheme[] = "oci-layout://";

bool IsRemote(const std::string& context) {
  for (const char* prefix : {"http://", "https://", "git://", "git@", "ssh://", "github.com/"}) {
    if (absl::StartsWith(context, prefix)) {
      return true;
    }
  }
  return false;
}

// "K=V" as it is; a bare "K" takes this process's value and is left out when there is none.
void AddArguments(const std::vector<std::string>& arguments, const std::string& prefix,
                  bool from_environment, std::map<std::string, std::string>& options) {
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    if (equals != std::string::npos) {
      options[prefix + name] = argument.substr(equals + 1);
    } else if (const char* value = from_environment ? std::getenv(name.c_str()) : "";
               value != nullptr) {
      options[prefix + name] = value;
    }
  }
}

// Everything a build needs, put together from flags; owns the directory that a Dockerfile from
// stdin is kept in while the build runs.
class BuildCommand {
 public:
  explicit BuildCommand(const BuildFlags& flags) : flags_(flags) {}

  StatusOr<int> Run(const CommandContext& context) {
    RETURN_IF_ERROR(Prepare());
    ASSIGN_OR_RETURN(DisplayMode mode, ParseDisplayMode(flags_.quiet ? "quiet" : flags_.progress));
    ASSIGN_OR_RETURN(auto connection, Connection::Open(context.connection));
    std::unique_ptr<Display> display = MakeDisplay(mode);
    auto response = Build(
        *connection, request_, [&](const auto& message) { display->Update(message); },
        context.cancel);
    display->Finish(response.status());
    if (!response.ok() && context.cancel.cancelled()) {
      return absl::CancelledError("the build was canceled");
    }
    if (!response.ok()) {
      const std::string excerpt = SourceExcerpt(response.status());
      if (!excerpt.empty()) {
        std::fputs(excerpt.c_str(), stderr);
      }
      return Annotate(response.status(), "failed to solve");
    }
    RETURN_IF_ERROR(WriteResults(*response));
    return 0;
  }

 private:
  Status Prepare() {
    auto& options = request_.frontend_options;
    AddArguments(flags_.build_args, "build-arg:", true, options);
    AddArguments(flags_.labels, "label:", false, options);
    if (!flags_.target.empty()) {
      options["target"] = flags_.target;
    }
    if (!flags_.platforms.empty()) {
      options["platform"] = absl::StrJoin(flags_.platforms, ",");
    }
    if (flags_.no_cache) {
      options["no-cache"] = "";
    } else if (!flags_.no_cache_filters.empty()) {
      options["no-cache"] = absl::StrJoin(flags_.no_cache_filters, ",");
    }
    if (flags_.pull) {
      options["image-resolve-mode"] = "pull";
    }
    if (!flags_.add_hosts.empty()) {
      std::vector<std::string> hosts;
      for (const std::string& host : flags_.add_hosts) {
        const size_t split = host.find_first_of("=:");
        hosts.push_back(split == std::string::npos
                            ? host
                            : absl::StrCat(host.substr(0, split), "=", host.substr(split + 1)));
      }
      options["add-hosts"] = absl::StrJoin(hosts, ",");
    }
    if (!flags_.network.empty() && flags_.network != "default") {
      options["force-network-mode"] = flags_.network;
    }
    if (!flags_.shm_size.empty()) {
      options["shm-size"] = flags_.shm_size;
    }
    if (!flags_.ulimits.empty()) {
      options["ulimit"] = absl::StrJoin(flags_.ulimits, ",");
    }
    request_.entitlements = flags_.allow;
    if (flags_.network == "host") {
      request_.entitlements.push_back("network.host");
    }
    RETURN_IF_ERROR(PrepareContext());
    RETURN_IF_ERROR(PrepareNamedContexts());
    RETURN_IF_ERROR(PrepareOutputs());
    return PrepareSession();
  }

  Status PrepareContext() {
    auto& options = request_.frontend_options;
    auto& session = request_.session;
    if (IsRemote(flags_.context)) {
      options["context"] = flags_.context;
      options["filename"] = flags_.file.empty() ? "Dockerfile" : flags_.file;
      session.shared_key = "remote:" + ClientId();
      return absl::OkStatus();
    }
    if (flags_.context == "-" && flags_.file == "-") {
      return absl::InvalidArgumentError("only one of the context and the Dockerfile can be stdin");
    }
    std::string context = flags_.context;
    stdfs::path dockerfile;
    if (flags_.context == "-") {
      ASSIGN_OR_RETURN(const std::string head, TakeStdin());
      if (head.empty()) {
        return absl::OkStatus();  // an archive: the session uploads it
      }
      dockerfile = head;
      context = stdin_directory_->path() + "/context";
    } else if (flags_.file == "-") {
      ASSIGN_OR_RETURN(dockerfile, DockerfileFromStdin());
    } else {
      dockerfile =
          flags_.file.empty() ? stdfs::path(context) / "Dockerfile" : stdfs::path(flags_.file);
    }
    std::error_code error;
    if (!stdfs::is_directory(context, error)) {
      return absl::NotFoundError(absl::StrCat("context ", context, " is not a directory"));
    }
    if (!stdfs::exists(dockerfile, error) && !flags_.file.empty() && dockerfile.is_relative() &&
        stdfs::exists(stdfs::path(context) / dockerfile, error)) {
      dockerfile = stdfs::path(context) / dockerfile;
    }
    // The daemon takes "dockerfile" as well where nothing else is asked for.
    if (!stdfs::exists(dockerfile, error) &&
        (!flags_.file.empty() || !stdfs::exists(stdfs::path(context) / "dockerfile", error))) {
      return absl::NotFoundError(absl::StrCat("there is no Dockerfile at ", dockerfile.string(),
                                              "; -f names it if it is elsewhere"));
    }
    const stdfs::path directory = dockerfile.has_parent_path() ? dockerfile.parent_path() : ".";
    options["filename"] = dockerfile.filename().string();
    session.directories.push_back({"context", context});
    session.directories.push_back({"dockerfile", directory.string()});
    session.shared_key =
        absl::StrCat(stdfs::canonical(context, error).filename().string(), ":", ClientId());
    return absl::OkStatus();
  }

  // Reads stdin whole. A tar archive is offered for upload as the context and "" is returned;
  // anything else is a Dockerfile without a context, whose path is returned.
  StatusOr<std::string> TakeStdin() {
    ASSIGN_OR_RETURN(const fs::TempDir* directory, StdinDirectory());
    ASSIGN_OR_RETURN(std::string data, ReadAll(STDIN_FILENO, uint64_t{16} << 30));
    const std::string path = directory->path() + "/stdin";
    const bool archive = data.size() > 262 && (data.compare(257, 5, "ustar") == 0);
    const bool compressed = absl::StartsWith(data, "\x1f\x8b") || absl::StartsWith(data, "BZh") ||
                            absl::StartsWith(data,
                                             "\xfd"
                                             "7zXZ") ||
                            absl::StartsWith(data, "\x28\xb5\x2f\xfd");
    if (!archive && !compressed) {
      RETURN_IF_ERROR(WriteFileDurably(directory->path() + "/Dockerfile", data));
      stdfs::create_directory(directory->path() + "/context");
      return directory->path() + "/Dockerfile";
    }
    RETURN_IF_ERROR(WriteFileDurably(path, data));
    upload_ = UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const std::string id = absl::StrCat("/", ClientId(), "-", ::getpid());
    request_.session.uploads[id] = upload_.get();
    request_.session.shared_key = "stdin:" + ClientId();
    request_.frontend_options["context"] = "http://buildkit-session" + id;
    request_.frontend_options["filename"] = flags_.file.empty() ? "Dockerfile" : flags_.file;
    return std::string();
  }

  StatusOr<stdfs::path> DockerfileFromStdin() {
    ASSIGN_OR_RETURN(const fs::TempDir* directory, StdinDirectory());
    ASSIGN_OR_RETURN(const std::string data, ReadAll(STDIN_FILENO, 64 << 20));
    RETURN_IF_ERROR(WriteFileDurably(directory->path() + "/Dockerfile", data));
    return stdfs::path(directory->path() + "/Dockerfile");
  }

  StatusOr<const fs::TempDir*> StdinDirectory() {
    const char* temporary = std::getenv("TMPDIR");
    ASSIGN_OR_RETURN(fs::TempDir directory,
                     fs::TempDir::Create(temporary != nullptr ? temporary : "/tmp", "cairn-"));
    stdin_directory_ = std::make_unique<fs::TempDir>(std::move(directory));
    return stdin_directory_.get();
  }

  // The daemon knows a layout by a name of ours, and reads it over the session.
  Status AddLayoutContext(const std::string& name, const std::string& reference) {
    ASSIGN_OR_RETURN(const LayoutImage image, FindLayoutImage(reference));
    const std::string id = absl::StrCat("layout", request_.session.layouts.size());
    request_.frontend_options["context:" + name] =
        absl::StrCat(kLayoutScheme, id, "@", image.digest);
    request_.session.layouts[absl::StrCat("oci:", id)] = image.directory;
    return absl::OkStatus();
  }

  Status PrepareNamedContexts() {
    for (const std::string& named : flags_.build_contexts) {
      const size_t equals = named.find('=');
      if (equals == std::string::npos || equals == 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("build context \"", named, "\": want name=value"));
      }
      const std::string name = named.substr(0, equals);
      const std::string value = named.substr(equals + 1);
      if (absl::StartsWith(value, kLayoutScheme)) {
        RETURN_IF_ERROR_IN(AddLayoutContext(name, value.substr(sizeof kLayoutScheme - 1)),
                           absl::StrCat("build context ", name));
        continue;
      }
      if (IsRemote(value) || absl::StrContains(value, "://")) {
        request_.frontend_options["context:" + name] = value;
        continue;
      }
      std::error_code error;
      if (!stdfs::is_directory(value, error)) {
        return absl::NotFoundError(
            absl::StrCat("build context ", name, ": ", value, " is not a directory"));
      }
      request_.frontend_options["context:" + name] = "local:" + name;
      request_.session.directories.push_back({name, value});
    }
    return absl::OkStatus();
  }

  Status PrepareOutputs() {
    bool no_output = false;
    for (const std::string& text : flags_.outputs) {
      ASSIGN_OR_RETURN(OutputOption option, ParseOutput(text));
      if (option.output.type == kNoOutput) {
        no_output = true;
      } else {
        RETURN_IF_ERROR(AddOutput(std::move(option)));
      }
    }
    if (!flags_.load.empty()) {
      ASSIGN_OR_RETURN(OutputOption option, ParseOutput("type=docker,dest=" + flags_.load));
      RETURN_IF_ERROR(AddOutput(std::move(option)));
    }
    const bool names_an_image =
        flags_.push || flags_.outputs.empty() || (!flags_.tags.empty() && !no_output);
    if (request_.outputs.empty() && names_an_image) {
      RETURN_IF_ERROR(AddOutput({.output = {.type = "image"}, .targets = {}, .layout = ""}));
    }
    for (BuildRequest::Output& output : request_.outputs) {
      const bool image = output.type == "image";
      if (image && flags_.push) {
        output.attributes["push"] = "true";
      }
      if (!flags_.tags.empty() && output.attributes.count("name") == 0 &&
          (image || output.type == "oci" || output.type == "docker")) {
        output.attributes["name"] = absl::StrJoin(flags_.tags, ",");
      }
    }
    ASSIGN_OR_RETURN(caches_, CacheOptions::Parse(flags_.cache_from, flags_.cache_to));
    caches_.AddTo(request_);
    for (const std::string& warning : caches_.warnings()) {
      std::fprintf(stderr, "WARNING: %s\n", warning.c_str());
    }
    return absl::OkStatus();
  }

  Status AddOutput(OutputOption option) {
    for (ExportTarget& target : option.targets) {
      const stdfs::path parent = stdfs::path(target.file).parent_path();
      std::error_code error;
      if (!parent.empty() && !stdfs::is_directory(parent, error)) {
        return absl::NotFoundError(
            absl::StrCat("output ", target.file, ": there is no directory ", parent.string()));
      }
      target.index = static_cast<int>(request_.outputs.size());
      request_.session.exports.push_back(std::move(target));
    }
    request_.outputs.push_back(std::move(option.output));
    if (!option.layout.empty()) {
      if (!layout_.empty()) {
        return absl::InvalidArgumentError("only one output of a build can have tar=false");
      }
      layout_ = option.layout;
      request_.session.layouts[kExportLayout] = layout_;
    }
    return absl::OkStatus();
  }

  Status PrepareSession() {
    for (const std::string& text : flags_.secrets) {
      ASSIGN_OR_RETURN(SecretSource secret, ParseSecret(text));
      request_.session.secrets.push_back(std::move(secret));
    }
    for (const std::string& text : flags_.ssh) {
      ASSIGN_OR_RETURN(SshAgentSource agent, ParseSsh(text));
      request_.session.ssh_agents.push_back(std::move(agent));
    }
    // A repository over ssh needs an agent; the flag is only for another one than the user's own.
    if (flags_.ssh.empty() && HasSshContext() && std::getenv("SSH_AUTH_SOCK") != nullptr) {
      ASSIGN_OR_RETURN(SshAgentSource agent, ParseSsh("default"));
      request_.session.ssh_agents.push_back(std::move(agent));
    }
    return absl::OkStatus();
  }

  bool HasSshContext() const {
    const auto& options = request_.frontend_options;
    return std::any_of(options.begin(), options.end(), [](const auto& option) {
      return absl::StartsWith(option.first, "context") &&
             (absl::StartsWith(option.second, "git@") || absl::StartsWith(option.second, "ssh://"));
    });
  }

  // The daemon wrote blobs; which of them is the image is for this end to note.
  Status WriteLayoutIndex(const std::map<std::string, std::string>& response) const {
    const auto encoded = response.find("containerimage.descriptor");
    std::string descriptor;
    if (encoded == response.end() || !absl::Base64Unescape(encoded->second, &descriptor)) {
      return absl::InternalError("the daemon sent no descriptor of the image");
    }
    const auto names = response.find("image.name");
    return AddImage(layout_, descriptor,
                    names == response.end()
                        ? std::vector<std::string>()
                        : absl::StrSplit(names->second, ',', absl::SkipEmpty()));
  }

  Status WriteResults(const std::map<std::string, std::string>& response) const {
    if (!layout_.empty()) {
      RETURN_IF_ERROR(WriteLayoutIndex(response));
    }
    RETURN_IF_ERROR(caches_.WriteIndexes(response));
    const auto config = response.find("containerimage.config.digest");
    const auto digest = response.find("containerimage.digest");
    const std::string id = config != response.end()   ? config->second
                           : digest != response.end() ? digest->second
                                                      : "";
    if (!flags_.iid_file.empty()) {
      RETURN_IF_ERROR(WriteFileDurably(flags_.iid_file, id));
    }
    if (!flags_.metadata_file.empty()) {
      nlohmann::ordered_json metadata = nlohmann::ordered_json::object();
      for (const auto& [key, value] : response) {
        std::string decoded;
        nlohmann::ordered_json inlined;
        if (absl::Base64Unescape(value, &decoded)) {
          inlined = nlohmann::ordered_json::parse(decoded, nullptr, false);
        }
        metadata[key] = inlined.is_object() ? inlined : nlohmann::ordered_json(value);
      }
      RETURN_IF_ERROR(WriteFileDurably(flags_.metadata_file, metadata.dump(2) + "\n"));
    }
    if (flags_.quiet && !id.empty()) {
      std::printf("%s\n", id.c_str());
    }
    return absl::OkStatus();
  }

  const BuildFlags& flags_;
  BuildRequest request_;
  std::unique_ptr<fs::TempDir> stdin_directory_;
  UniqueFd upload_;
  std::string layout_;
  CacheOptions caches_;
};

void AddSourceOptions(CLI::App& command, BuildFlags& flags) {
  command.add_option("PATH", flags.context, "Context: a directory, a URL, or - for stdin");
  command.add_option("-f,--file", flags.file, "Dockerfile (default PATH/Dockerfile, - for stdin)");
  command.add_option("--target", flags.target, "Build this stage and stop");
  command.add_option("--build-arg", flags.build_args,
                     "Set an ARG: NAME=VALUE, or NAME of the environment");
  command.add_option("--build-context", flags.build_contexts,
                     "Named context: name=path, URL or oci-layout://path[:tag][@digest]");
  command.add_option("--label", flags.labels, "Label of the image: NAME=VALUE");
  command.add_option("--platform", flags.platforms, "Target platforms")->delimiter(',');
  command.add_option("--secret", flags.secrets, "id=NAME,src=FILE or id=NAME,env=VARIABLE");
  command.add_option("--ssh", flags.ssh,
                     "SSH agent for steps and git sources: default or ID=SOCKET");
  command.add_flag("--pull", flags.pull, "Ask the registry for newer base images");
}

void AddRunOptions(CLI::App& command, BuildFlags& flags) {
  command.add_flag("--no-cache", flags.no_cache, "Run every step");
  command.add_option("--no-cache-filter", flags.no_cache_filters, "Run every step of these stages")
      ->delimiter(',');
  command.add_option("--cache-from", flags.cache_from, "Import cache from here");
  command.add_option("--cache-to", flags.cache_to, "Export cache to there");
  command.add_option("--network", flags.network, "Network of RUN: default, none, host");
  command.add_option("--add-host", flags.add_hosts, "Extra line of /etc/hosts: NAME:IP");
  command.add_option("--allow", flags.allow,
                     "Grant network.host, security.insecure, device or device=NAME");
  command.add_option("--shm-size", flags.shm_size, "Bytes of /dev/shm in RUN");
  command.add_option("--ulimit", flags.ulimits, "Limit in RUN: NAME=SOFT[:HARD]");
}

void AddResultOptions(CLI::App& command, BuildFlags& flags) {
  command.add_option("-t,--tag", flags.tags, "Name of the image (repeatable)");
  command.add_option("-o,--output", flags.outputs, "type=image|oci|docker|local|tar[,dest=...]");
  command.add_flag("--push", flags.push, "Push the image to its registry");
  command.add_option("--load", flags.load, "Write an archive for docker load to this file (or -)")
      ->expected(0, 1)
      ->default_str("-");
  command.add_option("--progress", flags.progress, "auto, plain, tty, quiet, rawjson")->take_last();
  command.add_flag("-q,--quiet", flags.quiet, "Print only the image's id");
  command.add_option("--iidfile", flags.iid_file, "Write the image's id to this file");
  command.add_option("--metadata-file", flags.metadata_file,
                     "Write the result's metadata to this file");
}

}  // namespace

void AddBuildCommand(CLI::App& app, CommandSlot& chosen) {
  CLI::App* command = app.add_subcommand("build", "Build an image from a Dockerfile");
  auto flags = std::make_shared<BuildFlags>();
  AddSourceOptions(*command, *flags);
  AddRunOptions(*command, *flags);
  AddResultOptions(*command, *flags);
  // A repeatable option takes one value each time: the next word is not its own.
  for (CLI::Option* option : command->get_options()) {
    if (option->get_items_expected_max() > 1) {
      option->allow_extra_args(false);
    }
  }
  command->callback([flags, &chosen] {
    chosen = [flags](const CommandContext& context) { return BuildCommand(*flags).Run(context); };
  });
}

}  // namespace cairn::client
