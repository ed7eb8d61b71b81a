// type=tar: a result's files as one tar at the client.

#include <sys/sysmacros.h>

#include "daemon/exporter/exporters.h"
#include "daemon/exporter/file_options.h"
#include "daemon/exporter/progress_line.h"
#include "daemon/exporter/session_sink.h"
#include "runtime/fs/tar_writer.h"

namespace cairn::exporter {
namespace {

fs::TarEntry TarEntryOf(const session::FileStat& stat) {
  fs::TarEntry entry;
  entry.path = stat.path;
  entry.kind = fs::KindOf(stat.mode);
  entry.hard_link = stat.hard_link;
  entry.link_target = stat.link_name;
  entry.metadata = {.mode = stat.mode & 07777,
                    .uid = stat.uid,
                    .gid = stat.gid,
                    .mtime_ns = stat.mtime_ns,
                    .xattrs = stat.xattrs};
  entry.size = static_cast<uint64_t>(stat.size);
  entry.device = makedev(stat.dev_major, stat.dev_minor);
  return entry;
}

class TarExport final : public Export {
 public:
  TarExport(const ExporterParts& parts, FileOptions options)
      : parts_(parts), options_(std::move(options)) {}

  std::string name() const override { return "exporting to client tarball"; }

  StatusOr<std::map<std::string, std::string>> Run(const SolvedResult& result,
                                                   ExportContext& context) override {
    ASSIGN_OR_RETURN(std::vector<PlatformFiles> files, FilesOf(parts_, result, options_));
    ASSIGN_OR_RETURN(std::shared_ptr<session::Session> session,
                     parts_.sessions.Get(context.session_id, context.cancel));
    std::vector<ListedTree> roots;
    for (PlatformFiles& platform : files) {
      // platform-split only says how attestations are named: a tar holds no file twice.
      platform.tree.directory = IsMap(result) ? DirectoryOf(platform.id) : "";
      roots.push_back(std::move(platform.tree));
    }
    RETURN_IF_ERROR(CheckWhole(parts_.chains.trees(), roots, context.cancel));
    const ProgressLine line(context.reporter, parts_.clock, "sending tarball");
    ASSIGN_OR_RETURN(
        const std::unique_ptr<SessionSink> sink,
        SessionSink::Open(std::move(session), {.exporter_id = context.index}, context.cancel));
    RETURN_IF_ERROR(sink->FinishWith(WriteTar(*sink, std::move(roots), context.cancel)));
    return std::map<std::string, std::string>();
  }

 private:
  Status WriteTar(fs::ByteSink& sink, std::vector<ListedTree> roots, const CancelToken& cancel) {
    tree::TreeStore& trees = parts_.chains.trees();
    TreeListing listing(trees, std::move(roots));
    fs::TarWriter tar(sink);
    for (;;) {
      RETURN_IF_ERROR(cancel.Check());
      ASSIGN_OR_RETURN(const std::optional<ListedEntry> entry, listing.Next());
      if (!entry.has_value()) {
        return tar.Finish();
      }
      RETURN_IF_ERROR(tar.Add(TarEntryOf(entry->stat)));
      if (entry->file.has_value()) {
        ASSIGN_OR_RETURN(const std::unique_ptr<blob::BlobReader> reader,
                         trees.blobs().Open(*entry->file));
        const std::unique_ptr<fs::ByteSource> stream = reader->Stream();
        RETURN_IF_ERROR(fs::Copy(*stream, tar, cancel).status());
      } else if (!entry->data.empty()) {
        RETURN_IF_ERROR(tar.Write(entry->data));
      }
    }
  }

  const ExporterParts parts_;
  const FileOptions options_;
};

class TarExporter final : public Exporter {
 public:
  explicit TarExporter(const ExporterParts& parts) : parts_(parts) {}
  StatusOr<std::unique_ptr<Export>> Resolve(
      const std::map<std::string, std::string>& attributes) override {
    ASSIGN_OR_RETURN(FileOptions options, FileOptions::Parse(attributes));
    return std::make_unique<TarExport>(parts_, std::move(options));
  }

 private:
  const ExporterParts parts_;
};

}  // namespace

std::unique_ptr<Exporter> NewTarExporter(const ExporterParts& parts) {
  return std::make_unique<TarExporter>(parts);
}

}  // namespace cairn::exporter
