// type=local: a result's files in a directory of the client.

#include <map>

#include "absl/strings/str_cat.h"
#include "daemon/exporter/exporters.h"
#include "daemon/exporter/file_options.h"
#include "daemon/exporter/progress_line.h"
#include "daemon/session/file_send.h"

namespace cairn::exporter {
namespace {

constexpr uint64_t kPiece = 256 << 10;

// A listing as the session sends it.
class ListingSource final : public session::TreeSource {
 public:
  ListingSource(tree::TreeStore& trees, std::vector<ListedTree> roots)
      : trees_(trees), listing_(trees, std::move(roots)) {}

  StatusOr<std::optional<session::FileStat>> NextEntry() override {
    ASSIGN_OR_RETURN(std::optional<ListedEntry> entry, listing_.Next());
    if (!entry.has_value()) {
      return std::nullopt;
    }
    const uint32_t id = next_id_++;
    if (entry->file.has_value()) {
      files_.emplace(id, *entry->file);
    } else if (!entry->data.empty()) {
      data_.emplace(id, std::move(entry->data));
    }
    return std::move(entry->stat);
  }

  Status ReadContent(uint32_t id, const std::function<Status(string_view data)>& write) override {
    const auto data = data_.find(id);
    if (data != data_.end()) {
      return write(data->second);
    }
    const auto file = files_.find(id);
    if (file == files_.end()) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const std::unique_ptr<blob::BlobReader> reader,
                     trees_.blobs().Open(file->second));
    for (uint64_t offset = 0; offset < reader->size(); offset += kPiece) {
      ASSIGN_OR_RETURN(const std::string piece, reader->ReadAt(offset, kPiece));
      RETURN_IF_ERROR(write(piece));
    }
    return absl::OkStatus();
  }

 private:
  tree::TreeStore& trees_;
  TreeListing listing_;
  uint32_t next_id_ = 0;
  std::map<uint32_t, Digest> files_;
  std::map<uint32_t, std::string> data_;
};

// Without directories of their own, two platforms must not have one path for a file.
Status CheckNoOverlap(tree::TreeStore& trees, const std::vector<PlatformFiles>& files) {
  std::map<std::string, std::string> owners;
  for (const PlatformFiles& platform : files) {
    TreeListing listing(trees, {platform.tree});
    for (;;) {
      ASSIGN_OR_RETURN(const std::optional<ListedEntry> entry, listing.Next());
      if (!entry.has_value()) {
        break;
      }
      if (S_ISDIR(entry->stat.mode)) {
        continue;
      }
      const auto [owner, is_new] = owners.emplace(entry->stat.path, platform.id);
      if (!is_new) {
        return absl::InvalidArgumentError(
            absl::StrCat("cannot overwrite ", entry->stat.path, " from ", owner->second, " with ",
                         platform.id, " when split option is disabled"));
      }
    }
  }
  return absl::OkStatus();
}

class LocalExport final : public Export {
 public:
  LocalExport(const ExporterParts& parts, FileOptions options)
      : parts_(parts), options_(std::move(options)) {}

  std::string name() const override { return "exporting to client directory"; }

  StatusOr<std::map<std::string, std::string>> Run(const SolvedResult& result,
                                                   ExportContext& context) override {
    ASSIGN_OR_RETURN(std::vector<PlatformFiles> files, FilesOf(parts_, result, options_));
    ASSIGN_OR_RETURN(const std::shared_ptr<session::Session> session,
                     parts_.sessions.Get(context.session_id, context.cancel));
    for (const PlatformFiles& platform : files) {
      RETURN_IF_ERROR(CheckWhole(parts_.chains.trees(), {platform.tree}, context.cancel));
    }
    const bool split = !files[0].tree.directory.empty();
    if (!split && files.size() > 1) {
      RETURN_IF_ERROR(CheckNoOverlap(parts_.chains.trees(), files));
      if (options_.delete_extra) {
        return absl::InvalidArgumentError(
            "mode=delete of several platforms needs platform-split=true");
      }
    }
    if (options_.delete_extra) {
      std::vector<ListedTree> roots;
      for (PlatformFiles& platform : files) {
        roots.push_back(std::move(platform.tree));
      }
      RETURN_IF_ERROR(Send(*session, "copying files", std::move(roots), context));
      return std::map<std::string, std::string>();
    }
    for (PlatformFiles& platform : files) {
      RETURN_IF_ERROR(Send(*session,
                           split ? absl::StrCat("copying files ", platform.id) : "copying files",
                           {std::move(platform.tree)}, context));
    }
    return std::map<std::string, std::string>();
  }

 private:
  Status Send(const session::Session& session, std::string label, std::vector<ListedTree> roots,
              ExportContext& context) {
    ProgressLine line(context.reporter, parts_.clock, std::move(label), "transferring");
    ListingSource source(parts_.chains.trees(), std::move(roots));
    return session::SendTree(
        session, {.exporter_id = context.index, .multi_platform = options_.delete_extra}, source,
        context.cancel, [&line](uint64_t bytes) { line.Update(static_cast<int64_t>(bytes)); });
  }

  const ExporterParts parts_;
  const FileOptions options_;
};

class LocalExporter final : public Exporter {
 public:
  explicit LocalExporter(const ExporterParts& parts) : parts_(parts) {}
  StatusOr<std::unique_ptr<Export>> Resolve(
      const std::map<std::string, std::string>& attributes) override {
    ASSIGN_OR_RETURN(FileOptions options, FileOptions::Parse(attributes));
    return std::make_unique<LocalExport>(parts_, std::move(options));
  }

 private:
  const ExporterParts parts_;
};

}  // namespace

std::unique_ptr<Exporter> NewLocalExporter(const ExporterParts& parts) {
  return std::make_unique<LocalExporter>(parts);
}

}  // namespace cairn::exporter
