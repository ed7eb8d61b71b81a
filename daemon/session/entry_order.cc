#include "daemon/session/entry_order.h"

#include <sys/stat.h>

#include "absl/hash/hash.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace cairn::session {
namespace {

constexpr size_t kMaxPathBytes = 4095;  // PATH_MAX without its end
constexpr size_t kMaxNameBytes = 255;   // NAME_MAX

Status Refuse(string_view path, string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("file transfer: entry \"", absl::CHexEscape(path), "\" ", reason));
}

bool IsClean(string_view path) {
  if (path.empty() || path.size() > kMaxPathBytes || path.find('\0') != string_view::npos) {
    return false;
  }
  for (const string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == "." || part == ".." || part.size() > kMaxNameBytes) {
      return false;
    }
  }
  return true;
}

}  // namespace

Status EntryOrder::Add(const FileStat& stat) {
  if (!IsClean(stat.path)) {
    return Refuse(stat.path, "is not a clean relative path");
  }
  RETURN_IF_ERROR(AddPath(stat.path));
  if (S_ISDIR(stat.mode)) {
    open_.push_back({stat.path, ""});
    return absl::OkStatus();
  }
  if (S_ISLNK(stat.mode)) {
    return absl::OkStatus();
  }
  if (!stat.hard_link) {
    files_.insert(absl::HashOf(stat.path));
    return absl::OkStatus();
  }
  if (!files_.contains(absl::HashOf(stat.link_name))) {
    return Refuse(stat.path, "is a hard link to a file that was not sent before it");
  }
  return absl::OkStatus();
}

Status EntryOrder::AddPath(const std::string& path) {
  const size_t slash = path.rfind('/');
  const string_view parent =
      slash == std::string::npos ? string_view() : string_view(path).substr(0, slash);
  const string_view name =
      slash == std::string::npos ? string_view(path) : string_view(path).substr(slash + 1);
  // The entries of a directory follow it directly: leaving it is for good.
  while (open_.back().path != parent) {
    if (open_.size() == 1) {
      return Refuse(path, "comes without its parent directory or out of order");
    }
    open_.pop_back();
  }
  OpenDirectory& directory = open_.back();
  if (name <= directory.last_name) {
    return Refuse(path, "is out of order");
  }
  directory.last_name = std::string(name);
  return absl::OkStatus();
}

}  // namespace cairn::session
