#include "daemon/source/metadata_receiver.h"

#include <sys/stat.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cache/tree/editor.h"
#include "proto/fs_stat.pb.h"

namespace cairn::source {
namespace {

constexpr char kDescriptions[] = ".fsutil-metadata";
constexpr uint32_t kDescriptionsMode = 0644;
// What a transfer of some millions of files comes to; beyond that something is wrong.
constexpr size_t kMaxDescriptions = 1 << 30;

Status Append(const session::FileStat& stat, std::string& out) {
  fsutil::types::Stat wire;
  session::ToWire(stat, &wire);
  const std::string message = wire.SerializeAsString();
  if (out.size() + message.size() > kMaxDescriptions) {
    return absl::ResourceExhaustedError("descriptions of too many files");
  }
  const auto size = static_cast<uint32_t>(message.size());
  for (int shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<char>(size >> shift & 0xff));
  }
  out += message;
  return absl::OkStatus();
}

}  // namespace

StatusOr<session::Wanted> MetadataReceiver::OnEntry(uint32_t id, const session::FileStat& stat) {
  RETURN_IF_ERROR(Append(stat, descriptions_));
  while (!pending_.empty() &&
         !absl::StartsWith(stat.path, absl::StrCat(pending_.back().stat.path, "/"))) {
    pending_.pop_back();
  }
  if (!excepted_.Matches(stat.path)) {
    if (S_ISDIR(stat.mode)) {
      pending_.push_back({id, stat});
    }
    return session::Wanted::kNothing;
  }
  for (const Directory& directory : pending_) {
    RETURN_IF_ERROR(receiver_.OnEntry(directory.id, directory.stat).status());
  }
  pending_.clear();
  return receiver_.OnEntry(id, stat);
}

StatusOr<tree::TreeRef> MetadataReceiver::Finish() {
  ASSIGN_OR_RETURN(const tree::TreeRef files, receiver_.Finish());
  tree::Entry entry;
  entry.metadata.mode = kDescriptionsMode;
  entry.size = descriptions_.size();
  ASSIGN_OR_RETURN(entry.file, trees_.blobs().Put(descriptions_));
  tree::Editor editor(trees_, files);
  RETURN_IF_ERROR(editor.Put(kDescriptions, entry));
  return editor.Commit();
}

}  // namespace cairn::source
