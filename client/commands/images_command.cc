// cairn images and cairn rmi: the daemon's own image store.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "client/commands/command.h"
#include "client/display/text.h"
#include "client/render_error.h"
#include "proto/cairn.grpc.pb.h"

namespace cairn::client {
namespace {

struct ImagesFlags {
  std::vector<std::string> names;
  bool quiet = false;
};

// Names as users write them: Docker Hub's host and its "library" are left out.
std::string FamiliarName(const std::string& name) {
  string_view rest = name;
  if (absl::ConsumePrefix(&rest, "docker.io/")) {
    absl::ConsumePrefix(&rest, "library/");
  }
  return std::string(rest);
}

void PrintImages(const cairn::v1::ListImagesResponse& response) {
  absl::PrintF("%-40s %-20s %-16s %-18s %s\n", "REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE");
  for (const cairn::v1::Image& image : response.images()) {
    const std::string name = FamiliarName(image.name());
    const size_t colon = name.rfind(':');
    const std::string& id = image.config_digest().empty() ? image.digest() : image.config_digest();
    absl::PrintF("%-40s %-20s %-16s %-18s %s\n", name.substr(0, colon),
                 colon == std::string::npos ? "" : name.substr(colon + 1), id.substr(7, 12),
                 FormatAge(absl::Now() - absl::FromUnixSeconds(image.created().seconds())),
                 FormatBytes(image.size()));
  }
}

StatusOr<int> ListImages(const ImagesFlags& flags, const CommandContext& context) {
  ASSIGN_OR_RETURN(auto connection, Connection::Open(context.connection));
  cairn::v1::ListImagesRequest request;
  for (const std::string& name : flags.names) {
    request.add_names(name);
  }
  grpc::ClientContext call;
  cairn::v1::ListImagesResponse response;
  const auto stub = cairn::v1::Images::NewStub(connection->channel());
  RETURN_IF_ERROR(FromDaemon(stub->List(&call, request, &response)));
  if (!flags.quiet) {
    PrintImages(response);
    return 0;
  }
  for (const cairn::v1::Image& image : response.images()) {
    std::puts(image.config_digest().empty() ? image.digest().c_str()
                                            : image.config_digest().c_str());
  }
  return 0;
}

StatusOr<int> RemoveImages(const ImagesFlags& flags, const CommandContext& context) {
  ASSIGN_OR_RETURN(auto connection, Connection::Open(context.connection));
  const auto stub = cairn::v1::Images::NewStub(connection->channel());
  for (const std::string& name : flags.names) {
    cairn::v1::RemoveImageRequest request;
    request.set_name(name);
    grpc::ClientContext call;
    cairn::v1::RemoveImageResponse response;
    RETURN_IF_ERROR(FromDaemon(stub->Remove(&call, request, &response)));
    absl::PrintF("Untagged: %s\n", FamiliarName(response.name()));
  }
  return 0;
}

}  // namespace

void AddImagesCommands(CLI::App& app, CommandSlot& chosen) {
  auto list_flags = std::make_shared<ImagesFlags>();
  CLI::App* list = app.add_subcommand("images", "List the images that the daemon holds");
  list->add_option("NAME", list_flags->names, "Only these");
  list->add_flag("-q,--quiet", list_flags->quiet, "Print ids only");
  list->callback([list_flags, &chosen] {
    chosen = [list_flags](const CommandContext& context) {
      return ListImages(*list_flags, context);
    };
  });

  auto remove_flags = std::make_shared<ImagesFlags>();
  CLI::App* remove = app.add_subcommand("rmi", "Remove images from the daemon");
  remove->add_option("NAME", remove_flags->names, "Images to remove")->required();
  remove->callback([remove_flags, &chosen] {
    chosen = [remove_flags](const CommandContext& context) {
      return RemoveImages(*remove_flags, context);
    };
  });
}

}  // namespace cairn::client
