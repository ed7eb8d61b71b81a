#include "daemon/source/context_receiver.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/tree/algebra.h"

namespace cairn::source {
namespace {

// Files up to this size are gathered in memory and stored in one go.
constexpr uint64_t kGatherLimit = 1 << 20;
// And while all of them together have no more than this.
constexpr uint64_t kGatherTotal = 32 << 20;
// Digests are asked for until this many answers said that it does not pay, and of one file in so
// many afterwards, in case that changes.
constexpr int kFirstDigests = 64;
constexpr int kSampleInterval = 16;
// What a directory that the client did not describe looks like: the context's root.
constexpr uint32_t kRootMode = 0755;

StatusOr<tree::Entry::Type> TypeOf(const session::FileStat& stat) {
  switch (stat.mode & S_IFMT) {
    case S_IFREG:
      return tree::Entry::Type::kFile;
    case S_IFDIR:
      return tree::Entry::Type::kDirectory;
    case S_IFLNK:
      return tree::Entry::Type::kSymlink;
    case S_IFIFO:
      return tree::Entry::Type::kFifo;
    case S_IFCHR:
      return tree::Entry::Type::kCharDevice;
    case S_IFBLK:
      return tree::Entry::Type::kBlockDevice;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("file ", stat.path, " is of no kind that an image can hold"));
  }
}

string_view ParentOf(string_view path) {
  const size_t slash = path.rfind('/');
  return slash == string_view::npos ? string_view() : path.substr(0, slash);
}

string_view NameOf(string_view path) {
  const size_t slash = path.rfind('/');
  return slash == string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

void ContextReceiver::CompareWith(const tree::TreeRef& previous) {
  const Status walked = tree::Walk(trees_, previous,
                                   [this](const std::string& path, const tree::Entry& entry,
                                          const tree::Directory*) -> StatusOr<tree::Visit> {
                                     if (entry.type == tree::Entry::Type::kFile) {
                                       previous_.emplace(path, entry);
                                     }
                                     return tree::Visit::kContinue;
                                   });
  if (!walked.ok()) {
    previous_.clear();
  }
}

const tree::Entry* ContextReceiver::FindUnchanged(const std::string& path,
                                                  const tree::Entry& entry) const {
  const auto found = previous_.find(path);
  if (found == previous_.end()) {
    return nullptr;
  }
  const tree::Entry& before = found->second;
  if (before.size != entry.size || !(before.metadata == entry.metadata) || !before.file) {
    return nullptr;
  }
  const StatusOr<bool> stored = trees_.blobs().Contains(*before.file);
  return stored.ok() && *stored ? &before : nullptr;
}

StatusOr<session::Wanted> ContextReceiver::OnEntry(uint32_t id, const session::FileStat& stat) {
  Received received{.path = stat.path, .entry = {}, .directory = std::nullopt};
  tree::Entry& entry = received.entry;
  ASSIGN_OR_RETURN(entry.type, TypeOf(stat));
  entry.name = std::string(NameOf(stat.path));
  entry.metadata = {.mode = static_cast<uint32_t>(stat.mode & 07777),
                    .uid = stat.uid,
                    .gid = stat.gid,
                    .mtime_ns = stat.mtime_ns,
                    .xattrs = stat.xattrs};
  // No client grants capabilities; writing the files as their owners' would have dropped them.
  entry.metadata.xattrs.erase("security.capability");
  session::Wanted wanted = session::Wanted::kNothing;
  switch (entry.type) {
    case tree::Entry::Type::kDirectory:
      received.directory = std::exchange(entry.metadata, {});
      break;
    case tree::Entry::Type::kSymlink:
      entry.target = stat.link_name;
      break;
    case tree::Entry::Type::kCharDevice:
    case tree::Entry::Type::kBlockDevice:
      entry.device = makedev(stat.dev_major, stat.dev_minor);
      break;
    case tree::Entry::Type::kFile:
      entry.size = static_cast<uint64_t>(stat.size);
      if (stat.hard_link) {
        const auto first = files_.find(stat.link_name);
        if (first == files_.end()) {
          return absl::InvalidArgumentError(absl::StrCat("file ", stat.path, " is a hard link to ",
                                                         stat.link_name,
                                                         ", which was not sent before it"));
        }
        uint64_t& group = received_[first->second].entry.link_group;
        group = group == 0 ? next_link_group_++ : group;
        entry.link_group = group;
      } else if (const tree::Entry* same = FindUnchanged(stat.path, entry); same != nullptr) {
        entry.file = same->file;
      } else {
        wanted = WantedOf(stat.path, entry);
        incoming_.emplace(id, Incoming{.index = received_.size(), .expected = entry.size});
      }
      files_.emplace(stat.path, received_.size());
      break;
    default:
      break;
  }
  received_.push_back(std::move(received));
  return wanted;
}

session::Wanted ContextReceiver::WantedOf(const std::string& path, const tree::Entry& entry) {
  // A file that was there with this size is likely the same with a new time.
  const auto before = previous_.find(path);
  if (before != previous_.end() && before->second.size == entry.size) {
    return session::Wanted::kDigest;
  }
  if (asked_ < kFirstDigests || known_share_ >= 64 || ++since_sample_ >= kSampleInterval) {
    since_sample_ = 0;
    return session::Wanted::kDigest;
  }
  return session::Wanted::kContent;
}

StatusOr<bool> ContextReceiver::OnDigest(uint32_t id, const Digest& digest, uint64_t size) {
  ASSIGN_OR_RETURN(const bool known, trees_.blobs().Contains(digest));
  ++asked_;
  known_share_ += ((known ? 256 : 0) - known_share_) / 16;
  if (!known) {
    return true;
  }
  const auto node = incoming_.extract(id);
  tree::Entry& entry = received_[node.mapped().index].entry;
  entry.file = digest;
  entry.size = size;
  return false;
}

Status ContextReceiver::OnData(uint32_t id, std::string data) {
  Incoming& incoming = incoming_.at(id);
  const bool small = incoming.data.size() + data.size() <= kGatherLimit;
  if (incoming.writer == nullptr && small && gathered_ + data.size() <= kGatherTotal) {
    gathered_ += data.size();
    if (incoming.data.empty()) {
      incoming.data = std::move(data);
    } else {
      incoming.data += data;
    }
    return absl::OkStatus();
  }
  if (incoming.writer == nullptr) {
    ASSIGN_OR_RETURN(incoming.writer, trees_.blobs().NewWriter());
    gathered_ -= incoming.data.size();
    RETURN_IF_ERROR(incoming.writer->Write(std::exchange(incoming.data, {})));
  }
  return incoming.writer->Write(data);
}

Status ContextReceiver::OnFileEnd(uint32_t id) {
  auto node = incoming_.extract(id);
  Incoming& incoming = node.mapped();
  Received& received = received_[incoming.index];
  if (incoming.writer != nullptr) {
    ASSIGN_OR_RETURN(blob::BlobInfo info, incoming.writer->Commit());
    received.entry.file = info.digest;
    received.entry.size = info.size;
    return absl::OkStatus();
  }
  if (incoming.data.empty() && incoming.expected > 0) {
    return absl::FailedPreconditionError(absl::StrCat("context file ", received.path,
                                                      ": the client could not read it (", 0, " of ",
                                                      incoming.expected, " bytes came)"));
  }
  gathered_ -= incoming.data.size();
  received.entry.size = incoming.data.size();
  return intake_.Add(incoming.index, std::move(incoming.data));
}

void ContextReceiver::CompleteLinks() {
  // Content and size of hard links are those of the first of the group.
  absl::flat_hash_map<uint64_t, const tree::Entry*> groups;
  for (Received& received : received_) {
    if (received.entry.link_group != 0) {
      const tree::Entry* first =
          groups.try_emplace(received.entry.link_group, &received.entry).first->second;
      received.entry.file = first->file;
      received.entry.size = first->size;
      received.entry.metadata = first->metadata;
    }
  }
}

StatusOr<tree::TreeRef> ContextReceiver::Finish() {
  ASSIGN_OR_RETURN(const auto stored, intake_.Finish());
  for (const auto& [index, digest] : stored) {
    received_[index].entry.file = digest;
  }
  CompleteLinks();
  struct Open {
    std::string path;
    tree::Directory directory;
  };
  std::vector<Open> open = {{"", tree::Directory{.metadata = {.mode = kRootMode}}}};
  auto close_last = [&]() -> Status {
    ASSIGN_OR_RETURN(tree::TreeRef stored, trees_.Store(open.back().directory));
    tree::Entry entry{.name = std::string(NameOf(open.back().path)),
                      .type = tree::Entry::Type::kDirectory,
                      .directory = stored};
    open.pop_back();
    open.back().directory.entries.push_back(std::move(entry));
    return absl::OkStatus();
  };
  for (Received& received : received_) {
    while (open.size() > 1 && open.back().path != ParentOf(received.path)) {
      RETURN_IF_ERROR(close_last());
    }
    if (received.directory.has_value()) {
      open.push_back({received.path, tree::Directory{.metadata = *std::move(received.directory)}});
    } else {
      open.back().directory.entries.push_back(std::move(received.entry));
    }
  }
  while (open.size() > 1) {
    RETURN_IF_ERROR(close_last());
  }
  return trees_.Store(open.back().directory);
}

}  // namespace cairn::source
