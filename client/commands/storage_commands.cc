// cairn du and cairn prune: what the daemon's store holds, and giving some of it back.
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "client/commands/command.h"
#include "client/display/text.h"
#include "client/render_error.h"
#include "proto/control.grpc.pb.h"

namespace cairn::client {
namespace {

using moby::buildkit::v1::Control;
using moby::buildkit::v1::UsageRecord;

struct StorageFlags {
  std::vector<std::string> filters;
  bool verbose = false;
  bool all = false;
  std::string keep_duration;
  std::string max_used_space;
  std::string reserved_space;
  std::string min_free_space;
};

// "10GB", "500m", "1024": decimal units with a B, as Docker reads them; empty is 0.
StatusOr<int64_t> ParseBytes(const std::string& text) {
  std::string number = absl::AsciiStrToLower(text);
  if (number.empty()) {
    return 0;
  }
  if (number.back() == 'b') {
    number.pop_back();
  }
  int64_t unit = 1;
  constexpr char kUnits[] = "kmgt";
  for (size_t i = 0; !number.empty() && i < 4; ++i) {
    if (number.back() == kUnits[i]) {
      number.pop_back();
      for (size_t j = 0; j <= i; ++j) {
        unit *= 1000;
      }
      break;
    }
  }
  double value = 0;
  if (!absl::SimpleAtod(number, &value) || value < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("size \"", text, "\": want bytes or a unit such as 500MB or 10GB"));
  }
  return static_cast<int64_t>(value * static_cast<double>(unit));
}

void PrintRecords(const std::vector<UsageRecord>& records, bool verbose) {
  int64_t total = 0;
  int64_t reclaimable = 0;
  if (!verbose) {
    absl::PrintF("%-28s %-12s %-10s %s\n", "ID", "RECLAIMABLE", "SIZE", "DESCRIPTION");
  }
  for (const UsageRecord& record : records) {
    total += record.size();
    reclaimable += record.inuse() ? 0 : record.size();
    if (verbose) {
      absl::PrintF(
          "ID:\t\t%s\nType:\t\t%s\nDescription:\t%s\nSize:\t\t%s\nUsage count:\t%d\n"
          "In use:\t\t%s\nShared:\t\t%s\n\n",
          record.id(), record.recordtype(), record.description(), FormatBytes(record.size()),
          record.usagecount(), record.inuse() ? "yes" : "no", record.shared() ? "yes" : "no");
    } else {
      absl::PrintF("%-28s %-12s %-10s %s\n", record.id(), record.inuse() ? "false" : "true",
                   FormatBytes(record.size()), record.description());
    }
  }
  absl::PrintF("Reclaimable:\t%s\nTotal:\t\t%s\n", FormatBytes(reclaimable), FormatBytes(total));
}

StatusOr<int> ShowUsage(const StorageFlags& flags, const CommandContext& context) {
  ASSIGN_OR_RETURN(auto connection, Connection::Open(context.connection));
  moby::buildkit::v1::DiskUsageRequest request;
  for (const std::string& filter : flags.filters) {
    request.add_filter(filter);
  }
  grpc::ClientContext call;
  moby::buildkit::v1::DiskUsageResponse response;
  RETURN_IF_ERROR(
      FromDaemon(Control::NewStub(connection->channel())->DiskUsage(&call, request, &response)));
  PrintRecords({response.record().begin(), response.record().end()}, flags.verbose);
  return 0;
}

StatusOr<int> Prune(const StorageFlags& flags, const CommandContext& context) {
  moby::buildkit::v1::PruneRequest request;
  for (const std::string& filter : flags.filters) {
    request.add_filter(filter);
  }
  request.set_all(flags.all);
  if (!flags.keep_duration.empty()) {
    absl::Duration keep;
    if (!absl::ParseDuration(flags.keep_duration, &keep)) {
      return absl::InvalidArgumentError(
          absl::StrCat("duration \"", flags.keep_duration, "\": want a form such as 24h or 90m"));
    }
    request.set_keepduration(absl::ToInt64Nanoseconds(keep));
  }
  ASSIGN_OR_RETURN(const int64_t max_used, ParseBytes(flags.max_used_space));
  ASSIGN_OR_RETURN(const int64_t reserved, ParseBytes(flags.reserved_space));
  ASSIGN_OR_RETURN(const int64_t min_free, ParseBytes(flags.min_free_space));
  request.set_maxusedspace(max_used);
  request.set_reservedspace(reserved);
  request.set_minfreespace(min_free);

  ASSIGN_OR_RETURN(auto connection, Connection::Open(context.connection));
  grpc::ClientContext call;
  const auto stub = Control::NewStub(connection->channel());
  auto reader = stub->Prune(&call, request);
  UsageRecord record;
  int64_t total = 0;
  while (reader->Read(&record)) {
    total += record.size();
    absl::PrintF("%-28s %-10s %s\n", record.id(), FormatBytes(record.size()), record.description());
  }
  RETURN_IF_ERROR(FromDaemon(reader->Finish()));
  absl::PrintF("Total:\t%s\n", FormatBytes(total));
  return 0;
}

}  // namespace

void AddStorageCommands(CLI::App& app, CommandSlot& chosen) {
  auto usage = std::make_shared<StorageFlags>();
  CLI::App* du = app.add_subcommand("du", "Show what the store holds");
  du->add_option("--filter", usage->filters, "containerd filter, such as type==exec.cachemount");
  du->add_flag("-v,--verbose", usage->verbose, "Every field of every record");
  du->callback([usage, &chosen] {
    chosen = [usage](const CommandContext& context) { return ShowUsage(*usage, context); };
  });

  auto prune = std::make_shared<StorageFlags>();
  CLI::App* command = app.add_subcommand("prune", "Remove what is not in use");
  command->add_option("--filter", prune->filters, "Only records that match");
  command->add_flag("-a,--all", prune->all, "Internal and frontend records too");
  command->add_option("--keep-duration", prune->keep_duration, "Keep what was used this recently");
  command->add_option("--max-used-space", prune->max_used_space,
                      "Remove until the store is this small");
  command->add_option("--reserved-space", prune->reserved_space, "Always keep this much");
  command->add_option("--min-free-space", prune->min_free_space,
                      "Remove until this much disk is free");
  command->callback([prune, &chosen] {
    chosen = [prune](const CommandContext& context) { return Prune(*prune, context); };
  });
}

}  // namespace cairn::client
