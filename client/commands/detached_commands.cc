// cairn ps, stop and logs: the runs that go on in the background.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/commands/command.h"
#include "client/display/text.h"
#include "client/run_records.h"
#include "runtime/base/fd.h"

namespace cairn::client {
namespace {

struct RunsFlags {
  std::vector<std::string> ids;
  bool all = false;
  bool quiet = false;
};

constexpr size_t kCommandWidth = 30;

StatusOr<int> ListRuns(const RunsFlags& flags) {
  ASSIGN_OR_RETURN(RunRecords records, RunRecords::Open());
  ASSIGN_OR_RETURN(const std::vector<DetachedRun> runs, records.List());
  if (!flags.quiet) {
    absl::PrintF("%-14s %-30s %-32s %-18s %-12s %s\n", "ID", "IMAGE", "COMMAND", "STARTED",
                 "STATUS", "PORTS");
  }
  for (const DetachedRun& run : runs) {
    if (run.exit_code.has_value() && !flags.all) {
      continue;
    }
    if (flags.quiet) {
      std::puts(run.id.c_str());
      continue;
    }
    const std::string command = run.command.size() <= kCommandWidth
                                    ? run.command
                                    : run.command.substr(0, kCommandWidth - 3) + "...";
    const std::string status =
        run.exit_code.has_value() ? absl::StrCat("Exited (", *run.exit_code, ")") : "Up";
    absl::PrintF("%-14s %-30s %-32s %-18s %-12s %s\n", run.id, run.image,
                 absl::StrCat("\"", command, "\""), FormatAge(absl::Now() - run.started), status,
                 run.ports);
  }
  return 0;
}

StatusOr<int> StopRuns(const RunsFlags& flags, const CommandContext& context) {
  ASSIGN_OR_RETURN(RunRecords records, RunRecords::Open());
  for (const std::string& id : flags.ids) {
    ASSIGN_OR_RETURN(const DetachedRun run, records.Find(id));
    RETURN_IF_ERROR(records.Stop(run, context.cancel));
    std::puts(run.id.c_str());
  }
  return 0;
}

StatusOr<int> ShowLog(const RunsFlags& flags) {
  ASSIGN_OR_RETURN(RunRecords records, RunRecords::Open());
  ASSIGN_OR_RETURN(const DetachedRun run, records.Find(flags.ids.front()));
  ASSIGN_OR_RETURN(const std::string log, ReadFile(records.LogPath(run.id)));
  std::fwrite(log.data(), 1, log.size(), stdout);
  return 0;
}

}  // namespace

void AddDetachedCommands(CLI::App& app, CommandSlot& chosen) {
  auto flags = std::make_shared<RunsFlags>();
  CLI::App* list = app.add_subcommand("ps", "List the runs in the background (run -d)");
  list->add_flag("-a,--all", flags->all, "Also those that have ended by themselves");
  list->add_flag("-q,--quiet", flags->quiet, "Print ids only");
  list->callback(
      [flags, &chosen] { chosen = [flags](const CommandContext&) { return ListRuns(*flags); }; });
  CLI::App* stop =
      app.add_subcommand("stop", "End runs in the background; nothing is left of them");
  stop->add_option("ID", flags->ids, "Ids, or how they begin")->required();
  stop->callback([flags, &chosen] {
    chosen = [flags](const CommandContext& context) { return StopRuns(*flags, context); };
  });
  CLI::App* logs = app.add_subcommand("logs", "Print what a run in the background has written");
  logs->add_option("ID", flags->ids, "Id, or how it begins")->required()->expected(1);
  logs->callback(
      [flags, &chosen] { chosen = [flags](const CommandContext&) { return ShowLog(*flags); }; });
}

}  // namespace cairn::client
