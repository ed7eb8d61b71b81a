#include "daemon/source/local_source.h"

#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "daemon/session/file_sync.h"
#include "daemon/source/context_receiver.h"
#include "daemon/source/metadata_receiver.h"
#include "proto/ops.pb.h"

namespace cairn::source {
namespace {

// Of the ledger's record of a context; after it comes the key in kContexts.
constexpr char kRecordPrefix[] = "context:";
constexpr absl::Duration kTransferInterval = absl::Milliseconds(100);

StatusOr<std::vector<std::string>> ParseList(const std::string& attribute,
                                             const std::string& text) {
  const nlohmann::json list = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::string> strings;
  bool valid = list.is_array() || list.is_null();
  for (const nlohmann::json& item : list.is_array() ? list : nlohmann::json::array()) {
    valid = valid && item.is_string();
    strings.push_back(item.is_string() ? item.get<std::string>() : "");
  }
  if (!valid) {
    return absl::InvalidArgumentError(
        absl::StrCat("attribute ", attribute, ": \"", text, "\" is no list of strings"));
  }
  return strings;
}

StatusOr<bool> ParseBool(const std::string& attribute, const std::string& value) {
  bool parsed = false;
  if (!absl::SimpleAtob(value, &parsed)) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid value for ", attribute, " \"", value, "\""));
  }
  return parsed;
}

// All of `op`, the same for equal ones.
std::string TextOf(const pb::SourceOp& op) {
  const std::map<std::string, std::string> sorted(op.attrs().begin(), op.attrs().end());
  return absl::StrCat(
      op.identifier(), " ",
      nlohmann::json(sorted).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

// TreeRef as bytes in kContexts: digest, content, then the two sizes in decimal.
std::string EncodeTree(const tree::TreeRef& tree) {
  return absl::StrCat(tree.digest.ToString(), " ", tree.content.ToString(), " ", tree.bytes, " ",
                      tree.entries);
}

std::optional<tree::TreeRef> DecodeTree(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ' ');
  if (parts.size() != 4) {
    return std::nullopt;
  }
  const auto digest = Digest::Parse(parts[0]);
  const auto content = Digest::Parse(parts[1]);
  tree::TreeRef tree{digest.value_or(Digest::Of("")), content.value_or(Digest::Of(""))};
  if (!digest.ok() || !content.ok() || !absl::SimpleAtoi(parts[2], &tree.bytes) ||
      !absl::SimpleAtoi(parts[3], &tree.entries)) {
    return std::nullopt;
  }
  return tree;
}

// The status line of a transfer, at most ten times a second.
class TransferProgress {
 public:
  TransferProgress(solver::VertexReporter& reporter, const std::string& name)
      : reporter_(reporter), id_(absl::StrCat("transferring ", name, ":")), started_(absl::Now()) {
    Report(0, false);
  }

  void Update(uint64_t bytes) {
    const absl::Time now = absl::Now();
    if (now - reported_ >= kTransferInterval) {
      Report(bytes, false);
    }
  }

  void Report(uint64_t bytes, bool done) {
    reported_ = absl::Now();
    reporter_.Status({.id = id_,
                      .vertex = Digest::Of(""),
                      .name = "transferring",
                      .current = static_cast<int64_t>(bytes),
                      .started = started_,
                      .completed = done ? std::optional(reported_) : std::nullopt});
  }

 private:
  solver::VertexReporter& reporter_;
  const std::string id_;
  const absl::Time started_;
  absl::Time reported_;
};

}  // namespace

StatusOr<std::unique_ptr<solver::Op>> LocalSource::Create(const pb::SourceOp& op,
                                                          LocalSourceStores stores) {
  Attributes attributes;
  attributes.name = std::string(absl::StripPrefix(op.identifier(), "local://"));
  for (const auto& [key, value] : op.attrs()) {
    if (key == "local.session") {
      attributes.session = value;
    } else if (key == "local.sharedkeyhint") {
      attributes.shared_key_hint = value;
    } else if (key == "local.includepattern") {
      ASSIGN_OR_RETURN(attributes.include, ParseList(key, value));
    } else if (key == "local.excludepatterns") {
      ASSIGN_OR_RETURN(attributes.exclude, ParseList(key, value));
    } else if (key == "local.followpaths") {
      ASSIGN_OR_RETURN(attributes.follow, ParseList(key, value));
    } else if (key == "local.differ") {
      attributes.compare = value != "none";
    } else if (key == "local.metadatatransfer") {
      ASSIGN_OR_RETURN(attributes.metadata_only, ParseBool(key, value));
    } else if (key == "local.metadatatransferexclude") {
      ASSIGN_OR_RETURN(attributes.excepted, ParseList(key, value));
    } else if (key == "local.unique" && !value.empty()) {
      attributes.marked = TextOf(op);
    }
  }
  return std::unique_ptr<solver::Op>(new LocalSource(std::move(attributes), stores));
}

StatusOr<solver::Prepared> LocalSource::Prepare(solver::OpContext& context) {
  const session::SessionGroup group = attributes_.session.empty()
                                          ? context.sessions
                                          : context.sessions.Preferring(attributes_.session);
  ASSIGN_OR_RETURN(std::optional<tree::TreeRef> tree, Known(context.lease));
  if (!tree.has_value()) {
    RETURN_IF_ERROR_IN(group.Any(stores_.sessions, context.cancel,
                                 [&](const std::shared_ptr<session::Session>& session) -> Status {
                                   ASSIGN_OR_RETURN(tree, Receive(session, context));
                                   return absl::OkStatus();
                                 }),
                       absl::StrCat("transfer ", attributes_.name));
  }
  ASSIGN_OR_RETURN(layer::Chain chain, stores_.chains.Single(*tree));
  solver::Prepared prepared;
  prepared.ready = std::vector<solver::OpOutput>{{.chain = std::move(chain), .base_input = -1}};
  prepared.record_type = gc::RecordType::kSourceLocal;
  return prepared;
}

StatusOr<std::optional<tree::TreeRef>> LocalSource::Known(gc::Lease& lease) const {
  if (attributes_.marked.empty()) {
    return std::nullopt;
  }
  const std::optional<MarkedContexts::Context> known = stores_.marked.Find(attributes_.marked);
  if (!known.has_value()) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const bool held, lease.Use(known->record));
  if (!held) {
    return std::nullopt;
  }
  ASSIGN_OR_RETURN(const auto row,
                   stores_.database.Get(blob::Table::kContexts,
                                        absl::StripPrefix(known->record, kRecordPrefix)));
  const std::optional<tree::TreeRef> tree = row.has_value() ? DecodeTree(*row) : std::nullopt;
  return tree.has_value() && *tree == known->tree ? tree : std::nullopt;
}

StatusOr<tree::TreeRef> LocalSource::Receive(const std::shared_ptr<session::Session>& session,
                                             solver::OpContext& context) {
  const std::string key =
      absl::StrCat(attributes_.name, ":", attributes_.shared_key_hint, ":",
                   session->info().shared_key, attributes_.metadata_only ? ":metadata" : "");
  const std::string record = absl::StrCat(kRecordPrefix, key);
  ContextReceiver receiver(stores_.chains.trees());
  ASSIGN_OR_RETURN(auto before, stores_.database.Get(blob::Table::kContexts, key));
  std::optional<tree::TreeRef> previous = before.has_value() ? DecodeTree(*before) : std::nullopt;
  if (previous.has_value()) {
    // In use from here on, so that its files stay while they are compared with.
    ASSIGN_OR_RETURN(const bool held, context.lease.Use(record));
    if (!held) {
      previous.reset();  // collected
    } else if (attributes_.compare) {
      receiver.CompareWith(*previous);
    }
  }
  ASSIGN_OR_RETURN(PatternMatcher excepted, PatternMatcher::Create(attributes_.excepted));
  MetadataReceiver descriptions(stores_.chains.trees(), receiver, std::move(excepted));
  session::FileSyncSink& sink =
      attributes_.metadata_only ? static_cast<session::FileSyncSink&>(descriptions) : receiver;
  TransferProgress progress(context.reporter, attributes_.name);
  ASSIGN_OR_RETURN(
      const session::FileSyncResult result,
      session::ReceiveFiles(*session,
                            {.dir_name = attributes_.name,
                             .include_patterns = attributes_.include,
                             .exclude_patterns = attributes_.exclude,
                             .follow_paths = attributes_.follow,
                             .metadata_only = attributes_.metadata_only,
                             .on_progress = [&](uint64_t bytes) { progress.Update(bytes); }},
                            sink, context.cancel));
  ASSIGN_OR_RETURN(const tree::TreeRef tree,
                   attributes_.metadata_only ? descriptions.Finish() : receiver.Finish());
  progress.Report(result.bytes, true);
  if (!previous.has_value() || !(*previous == tree)) {
    // With its record or not at all: a row whose files nobody owns would name what is swept.
    blob::WriteBatch row;
    row.Put(blob::Table::kContexts, key, EncodeTree(tree));
    RETURN_IF_ERROR(stores_.ledger.Add({.identity = record,
                                        .type = gc::RecordType::kSourceLocal,
                                        .description = "local source for " + attributes_.name,
                                        .trees = {tree.digest}},
                                       row));
    ASSIGN_OR_RETURN(const bool held, context.lease.Use(record));
    (void)held;
  }
  if (!attributes_.marked.empty()) {
    stores_.marked.Add(attributes_.marked, session, {.record = record, .tree = tree});
  }
  return tree;
}

StatusOr<std::vector<solver::OpOutput>> LocalSource::Run(solver::OpContext&,
                                                         const std::vector<layer::Chain>&) {
  return absl::InternalError("a local source is done once it is prepared");
}

}  // namespace cairn::source
