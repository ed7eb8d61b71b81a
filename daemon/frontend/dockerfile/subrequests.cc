#include "daemon/frontend/dockerfile/subrequests.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/frontend/dockerfile/instruction_parser.h"
#include "daemon/frontend/dockerfile/parser.h"
#include "runtime/base/digest.h"

namespace cairn::dockerfile {
namespace {

using Json = nlohmann::ordered_json;

std::string Print(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

Json LocationJson(const Ranges& ranges) {
  Json list = Json::array();
  for (const Range& range : ranges) {
    Json entry = Json::object();
    for (const auto& [key, position] :
         {std::pair{"start", range.start}, std::pair{"end", range.end}}) {
      entry[key] = Json::object();
      if (position.line != 0) {
        entry[key]["line"] = position.line;
      }
      if (position.character != 0) {
        entry[key]["character"] = position.character;
      }
    }
    list.push_back(std::move(entry));
  }
  Json location = Json::object();
  if (!list.empty()) {
    location["ranges"] = std::move(list);
  }
  return location;
}

void SetUnlessEmpty(Json& object, const char* key, const std::string& value) {
  if (!value.empty()) {
    object[key] = value;
  }
}

// Rows of words; columns as wide as their widest word plus `padding`.
std::string Table(const std::vector<std::vector<std::string>>& rows, size_t padding) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const bool is_last = i + 1 == row.size();
      absl::StrAppend(&text, row[i],
                      std::string(is_last ? 0 : widths[i] + padding - row[i].size(), ' '));
    }
    text += '\n';
  }
  return text;
}

Json MountsJson(const std::vector<OutlineMount>& mounts) {
  Json list = Json::array();
  for (const OutlineMount& mount : mounts) {
    Json entry = {{"name", mount.name}};
    if (mount.required) {
      entry["required"] = true;
    }
    if (!mount.location.empty()) {
      entry["location"] = LocationJson(mount.location);
    }
    list.push_back(std::move(entry));
  }
  return list;
}

void AppendMounts(const char* title, const std::vector<OutlineMount>& mounts, std::string& text) {
  if (mounts.empty()) {
    return;
  }
  std::vector<std::vector<std::string>> rows = {{title, "REQUIRED"}};
  for (const OutlineMount& mount : mounts) {
    rows.push_back({mount.name, mount.required ? "true" : ""});
  }
  absl::StrAppend(&text, Table(rows, 3), "\n");
}

// The lines around `ranges`, those within marked, as clients print them for errors.
std::string Snippet(const llb::SourceFile& file, const Ranges& ranges) {
  const std::vector<std::string> lines = absl::StrSplit(file.data, '\n');
  if (ranges.empty()) {
    return "";
  }
  int first = ranges[0].start.line;
  int last = 0;
  for (const Range& range : ranges) {
    first = std::min(first, range.start.line);
    last = std::max({last, range.start.line, range.end.line});
  }
  const int count = static_cast<int>(lines.size());
  if (first < 1 || first > count) {
    return "";
  }
  last = std::min(last, count);
  const int wanted = first == last ? 4 : 2;
  int start = first;
  int end = last;
  for (int padded = 0; padded < wanted; ++padded) {
    if (start > 1) {
      --start;
      ++padded;
    }
    if (end != count) {
      ++end;
      ++padded;
    }
  }
  std::string text = absl::StrCat(file.filename, ":", first, "\n--------------------\n");
  for (int line = start; line <= end; ++line) {
    const bool is_marked = std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) {
      return range.start.line <= line && line <= std::max(range.start.line, range.end.line);
    });
    absl::StrAppendFormat(&text, " %3d | %s %s\n", line, is_marked ? ">>>" : "   ",
                          lines[line - 1]);
  }
  return absl::StrCat(text, "--------------------\n");
}

Json RequestJson(const char* name, const char* description, const Json& options,
                 const std::vector<const char*>& metadata) {
  Json results = Json::array();
  for (const char* key : metadata) {
    results.push_back({{"name", key}, {"description", ""}});
  }
  return {
      {"name", name},    {"version", "1.0.0"}, {"type", "rpc"},       {"description", description},
      {"opts", options}, {"inputs", nullptr},  {"metadata", results}, {"refs", nullptr}};
}

}  // namespace

ResultMetadata DescribeSubrequests() {
  Json all = Json::array();
  all.push_back(
      RequestJson("frontend.outline", "List all parameters current build target supports",
                  Json::array({{{"name", "target"}, {"description", "Target build stage"}}}),
                  {"result.json", "result.txt"}));
  all.push_back(RequestJson("frontend.targets", "List all targets current build supports",
                            Json::array(), {"result.json", "result.txt"}));
  all.push_back(RequestJson("frontend.subrequests.describe", "List available subrequest types",
                            nullptr, {"result.json", "result.txt"}));
  std::vector<std::vector<std::string>> rows = {{"NAME", "VERSION", "DESCRIPTION"}};
  for (const Json& request : all) {
    const std::string name = request["name"];
    rows.push_back({std::string(absl::StripPrefix(name, "frontend.")), request["version"],
                    request["description"]});
  }
  return {{"result.json", Print(all)}, {"result.txt", Table(rows, 1)}, {"version", "1.0.0"}};
}

StatusOr<ResultMetadata> ListTargets(const std::string& dockerfile) {
  ASSIGN_OR_RETURN(const ParsedFile file, ParseFile(dockerfile));
  ASSIGN_OR_RETURN(const Instructions instructions, ParseInstructions(file.nodes, Linter()));
  Json targets = Json::array();
  std::vector<std::vector<std::string>> rows = {{"TARGET", "DESCRIPTION"}};
  for (size_t i = 0; i < instructions.stages.size(); ++i) {
    const Stage& stage = instructions.stages[i];
    const bool is_default = i + 1 == instructions.stages.size();
    Json target = Json::object();
    SetUnlessEmpty(target, "name", stage.name);
    if (is_default) {
      target["default"] = true;
    }
    SetUnlessEmpty(target, "description", stage.description);
    SetUnlessEmpty(target, "base", stage.base);
    SetUnlessEmpty(target, "platform", stage.platform);
    if (!stage.location.empty()) {
      target["location"] = LocationJson(stage.location);
    }
    targets.push_back(std::move(target));
    rows.push_back({is_default
                        ? absl::StrCat(stage.name, stage.name.empty() ? "" : " ", "(default)")
                        : stage.name,
                    stage.description});
  }
  const Json result = {{"targets", targets},
                       {"sources", Json::array({absl::Base64Escape(dockerfile)})}};
  return ResultMetadata{
      {"result.json", Print(result)}, {"result.txt", Table(rows, 1)}, {"version", "1.0.0"}};
}

ResultMetadata DescribeOutline(const Outline& outline, const std::string& dockerfile) {
  Json result = Json::object();
  SetUnlessEmpty(result, "name", outline.name);
  SetUnlessEmpty(result, "description", outline.description);
  std::string text;
  if (!outline.name.empty() || !outline.description.empty()) {
    std::vector<std::vector<std::string>> rows = {
        {"TARGET:", outline.name.empty() ? "(default)" : outline.name}};
    if (!outline.description.empty()) {
      rows.push_back({"DESCRIPTION:", outline.description});
    }
    absl::StrAppend(&text, Table(rows, 1), "\n");
  }
  std::vector<std::vector<std::string>> rows = {{"BUILD ARG", "VALUE", "DESCRIPTION"}};
  for (const OutlineArg& arg : outline.args) {
    Json entry = {{"name", arg.name}};
    SetUnlessEmpty(entry, "description", arg.description);
    SetUnlessEmpty(entry, "value", arg.value);
    if (!arg.location.empty()) {
      entry["location"] = LocationJson(arg.location);
    }
    result["args"].push_back(std::move(entry));
    rows.push_back({arg.name, arg.value, arg.description});
  }
  if (!outline.args.empty()) {
    absl::StrAppend(&text, Table(rows, 3), "\n");
  }
  if (!outline.secrets.empty()) {
    result["secrets"] = MountsJson(outline.secrets);
  }
  if (!outline.ssh.empty()) {
    result["ssh"] = MountsJson(outline.ssh);
  }
  AppendMounts("SECRET", outline.secrets, text);
  AppendMounts("SSH", outline.ssh, text);
  result["sources"] = Json::array({absl::Base64Escape(dockerfile)});
  return {{"result.json", Print(result)}, {"result.txt", text}, {"version", "1.0.0"}};
}

ResultMetadata DescribeWarnings(const std::vector<LintWarning>& warnings, const Status& error,
                                const llb::SourceFile& file) {
  Json list = Json::array();
  for (const LintWarning& warning : warnings) {
    Json entry = {{"ruleName", warning.rule->name}};
    SetUnlessEmpty(entry, "description", warning.rule->description);
    SetUnlessEmpty(entry, "url", warning.rule->url);
    SetUnlessEmpty(entry, "detail", warning.message);
    entry["location"] = LocationJson(warning.location);
    list.push_back(std::move(entry));
  }
  Json source = {{"filename", file.filename},
                 {"data", absl::Base64Escape(file.data)},
                 {"language", file.language}};
  if (file.definition != nullptr) {
    for (const std::string& op : file.definition->def()) {
      source["definition"]["def"].push_back(absl::Base64Escape(op));
    }
  }
  Json result = {{"warnings", warnings.empty() ? Json() : list},
                 {"sources", Json::array({source})}};
  if (!error.ok()) {
    Ranges ranges;
    for (const Ranges& location : LocationsOf(error)) {
      ranges.insert(ranges.end(), location.begin(), location.end());
    }
    std::sort(ranges.begin(), ranges.end());
    result["buildError"] = {{"message", std::string(error.message())},
                            {"location", LocationJson(ranges)}};
  }

  std::vector<LintWarning> sorted = warnings;
  std::stable_sort(sorted.begin(), sorted.end(), [](const LintWarning& a, const LintWarning& b) {
    const auto line = [](const LintWarning& warning) {
      return warning.location.empty() ? 0 : warning.location[0].start.line;
    };
    return line(a) < line(b);
  });
  std::string text;
  for (const LintWarning& warning : sorted) {
    const std::string url = warning.rule->url == nullptr ? "" : warning.rule->url;
    absl::StrAppend(&text, "\nWARNING: ", warning.rule->name, url.empty() ? "" : " - ", url, "\n",
                    warning.message, "\n", Snippet(file, warning.location));
  }
  return {{"result.json", Print(result)},
          {"result.txt", text},
          {"result.statuscode", warnings.empty() && error.ok() ? "0" : "1"},
          {"version", "1.0.0"}};
}

StatusOr<ResultMetadata> DescribeDefinition(const pb::Definition& definition) {
  const auto to_json = [](const google::protobuf::Message& message) {
    std::string text;
    const auto status = google::protobuf::util::MessageToJsonString(message, &text);
    return status.ok() ? Json::parse(text, nullptr, false) : Json();
  };
  Json result = {{"def", Json::object()},
                 {"metadata", Json::object()},
                 {"source", to_json(definition.source())}};
  for (const std::string& bytes : definition.def()) {
    pb::Op op;
    if (!op.ParseFromString(bytes)) {
      return absl::InternalError("failed to parse llb proto op");
    }
    const std::string digest = Digest::Of(bytes).ToString();
    result["def"][digest] = to_json(op);
    if (const auto found = definition.metadata().find(digest);
        found != definition.metadata().end()) {
      result["metadata"][digest] = to_json(found->second);
    }
  }
  return ResultMetadata{{"result.json", Print(result)}, {"version", "0.1.0"}};
}

}  // namespace cairn::dockerfile
