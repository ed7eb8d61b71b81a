#include "cache/layer/tar_stream.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/tree/algebra.h"
#include "runtime/fs/tar_writer.h"

namespace cairn::layer {
namespace {

using tree::Entry;

constexpr size_t kCopyBytes = 256 << 10;
constexpr char kCapability[] = "security.capability";

class TarStream {
 public:
  TarStream(tree::TreeStore& trees, const TarStreamOptions& options, EntrySink& sink,
            const CancelToken& cancel)
      : trees_(trees),
        options_(options),
        sink_(sink),
        writer_(sink),
        cancel_(cancel),
        buffer_(new char[kCopyBytes]) {}

  Status Run(const tree::TreeRef& tree) {
    ASSIGN_OR_RETURN(const auto root, trees_.Load(tree.digest));
    if (root->opaque) {
      RETURN_IF_ERROR(WriteMarker(".wh..wh..opq"));
    }
    RETURN_IF_ERROR(tree::Walk(trees_, tree,
                               [this](const std::string& path, const Entry& entry,
                                      const tree::Directory* directory) -> StatusOr<tree::Visit> {
                                 RETURN_IF_ERROR(cancel_.Check());
                                 RETURN_IF_ERROR_IN(WriteEntry(path, entry, directory),
                                                    absl::StrCat("write ", path));
                                 return tree::Visit::kContinue;
                               }));
    return writer_.Finish();
  }

 private:
  // Members of a group that a later layer changed are no longer one inode.
  using LinkKey = std::tuple<uint64_t, Digest, uint32_t, uint32_t, uint32_t, int64_t>;

  // `metadata` as layers have it.
  fs::Metadata Exported(const fs::Metadata& metadata) const {
    fs::Metadata result = metadata;
    const auto capability = result.xattrs.find(kCapability);
    if (capability == result.xattrs.end()) {
      result.xattrs.clear();
    } else {
      result.xattrs = {*capability};
    }
    if (options_.clamp_mtime) {
      result.mtime_ns = std::min(result.mtime_ns, fs::ToNanoseconds(*options_.clamp_mtime, 0));
    }
    return result;
  }

  Status Begin(const fs::TarEntry& entry, const Digest* file) {
    RETURN_IF_ERROR(WritePendingParents(entry.path));
    return BeginAlone(entry, file);
  }

  // Writes the touched directories that are on the way to `path`; the others need no entry.
  Status WritePendingParents(const std::string& path) {
    std::vector<fs::TarEntry> pending = std::exchange(touched_, {});
    for (const fs::TarEntry& directory : pending) {
      if (IsBelow(path, directory.path)) {
        RETURN_IF_ERROR(BeginAlone(directory, nullptr));
      }
    }
    return absl::OkStatus();
  }

  static bool IsBelow(string_view path, string_view directory) {
    return path.size() > directory.size() && absl::StartsWith(path, directory) &&
           path[directory.size()] == '/';
  }

  Status BeginAlone(const fs::TarEntry& entry, const Digest* file) {
    // FNV-1a: absl::Hash differs from process to process.
    uint64_t mark = 0xcbf29ce484222325;
    for (const char c : entry.path) {
      mark = (mark ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    }
    if (file != nullptr) {
      mark ^= file->bytes()[0];
    }
    RETURN_IF_ERROR(sink_.BeginEntry(entry.size, mark ^ mark >> 32));
    return writer_.Add(entry);
  }

  Status WriteMarker(std::string path) {
    fs::TarEntry entry;
    entry.path = std::move(path);
    return Begin(entry, nullptr);
  }

  Status WriteEntry(const std::string& path, const Entry& entry, const tree::Directory* directory) {
    fs::TarEntry out;
    out.path = path;
    out.metadata = Exported(entry.metadata);
    switch (entry.type) {
      case Entry::Type::kDirectory:
        out.kind = fs::Kind::kDirectory;
        out.metadata = Exported(directory->metadata);
        if (directory->touched && !directory->opaque) {
          while (!touched_.empty() && !IsBelow(path, touched_.back().path)) {
            touched_.pop_back();
          }
          touched_.push_back(std::move(out));
          return absl::OkStatus();
        }
        RETURN_IF_ERROR(Begin(out, nullptr));
        return directory->opaque ? WriteMarker(absl::StrCat(path, "/.wh..wh..opq"))
                                 : absl::OkStatus();
      case Entry::Type::kWhiteout: {
        const size_t name = path.size() - entry.name.size();
        return WriteMarker(absl::StrCat(path.substr(0, name), ".wh.", entry.name));
      }
      case Entry::Type::kFile:
        return WriteFile(std::move(out), entry);
      case Entry::Type::kSymlink:
        out.kind = fs::Kind::kSymlink;
        out.link_target = entry.target;
        break;
      case Entry::Type::kFifo:
        out.kind = fs::Kind::kFifo;
        break;
      case Entry::Type::kCharDevice:
        out.kind = fs::Kind::kCharDevice;
        out.device = entry.device;
        break;
      case Entry::Type::kBlockDevice:
        out.kind = fs::Kind::kBlockDevice;
        out.device = entry.device;
        break;
    }
    return Begin(out, nullptr);
  }

  Status WriteFile(fs::TarEntry out, const Entry& entry) {
    if (entry.link_group != 0) {
      const fs::Metadata& metadata = entry.metadata;
      const auto [first, is_first] =
          first_links_.try_emplace({entry.link_group, *entry.file, metadata.mode, metadata.uid,
                                    metadata.gid, metadata.mtime_ns},
                                   out.path);
      if (!is_first) {
        out.hard_link = true;
        out.link_target = first->second;
        return Begin(out, nullptr);
      }
    }
    out.size = entry.size;
    RETURN_IF_ERROR(Begin(out, &*entry.file));
    if (entry.size == 0) {
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const auto reader, trees_.blobs().Open(*entry.file));
    if (reader->size() != entry.size) {
      return absl::DataLossError(absl::StrCat("blob ", entry.file->ToString(), " has ",
                                              reader->size(), " bytes, not ", entry.size));
    }
    const auto stream = reader->Stream();
    for (;;) {
      RETURN_IF_ERROR(cancel_.Check());
      ASSIGN_OR_RETURN(const size_t got, stream->Read(buffer_.get(), kCopyBytes));
      if (got == 0) {
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(writer_.Write(string_view(buffer_.get(), got)));
    }
  }

  tree::TreeStore& trees_;
  const TarStreamOptions& options_;
  EntrySink& sink_;
  fs::TarWriter writer_;
  const CancelToken& cancel_;
  std::unique_ptr<char[]> buffer_;
  std::map<LinkKey, std::string> first_links_;
  // On the way to the present entry, and so far without one in the tar.
  std::vector<fs::TarEntry> touched_;
};

}  // namespace

Status WriteTarStream(tree::TreeStore& trees, const tree::TreeRef& tree,
                      const TarStreamOptions& options, EntrySink& sink, const CancelToken& cancel) {
  return TarStream(trees, options, sink, cancel).Run(tree);
}

}  // namespace cairn::layer
