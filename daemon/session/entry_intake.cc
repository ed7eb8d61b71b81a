#include "daemon/session/entry_intake.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "daemon/session/file_stat.h"
#include "proto/fs_stat.pb.h"

namespace cairn::session {
namespace {

constexpr char kMetadataFile[] = ".fsutil-metadata";

}  // namespace

StatusOr<EntryIntake::Taken> EntryIntake::Take(const fsutil::types::Stat& wire) {
  if (ended_) {
    return absl::InvalidArgumentError("file transfer: entry after the end of the list");
  }
  if (request_.metadata_only && wire.path() == kMetadataFile) {
    return Taken{};
  }
  if (entries_ >= request_.max_entries) {
    return absl::ResourceExhaustedError(
        absl::StrCat("file transfer: more than ", request_.max_entries, " entries"));
  }
  const auto id = static_cast<uint32_t>(entries_++);
  const FileStat stat = FromWire(wire);
  if (stat.size < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("file transfer: entry with the size ", stat.size));
  }
  RETURN_IF_ERROR(order_.Add(stat));
  if (S_ISSOCK(stat.mode) || (stat.mode & S_IFMT) == 0) {
    return Taken{id};
  }
  ASSIGN_OR_RETURN(const Wanted wanted, sink_.OnEntry(id, stat));
  return Taken{id, S_ISREG(stat.mode) && !stat.hard_link ? wanted : Wanted::kNothing};
}

Status EntryIntake::End() {
  if (ended_) {
    return absl::InvalidArgumentError("file transfer: the list ended twice");
  }
  ended_ = true;
  return sink_.OnEntriesEnd();
}

}  // namespace cairn::session
