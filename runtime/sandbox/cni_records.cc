#include "runtime/sandbox/cni_records.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/fd.h"

namespace cairn::sandbox {

CniRecords::CniRecords(std::string directory) : directory_(std::move(directory)) {}

StatusOr<CniRecords> CniRecords::Open(const std::string& directory) {
  if (!directory.empty() && ::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, absl::StrCat("make ", directory));
  }
  return CniRecords(directory);
}

// A file is the hostname, a line break and the result. It need not survive the machine, which takes
// the network along, so nothing is flushed.
Status CniRecords::Put(const Record& record) const {
  if (directory_.empty()) {
    return absl::OkStatus();
  }
  const std::string path = absl::StrCat(directory_, "/", record.id);
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file.valid()) {
    return ErrnoStatus(errno, absl::StrCat("write ", path));
  }
  return WriteAll(file.get(), absl::StrCat(record.hostname, "\n", record.result));
}

void CniRecords::Remove(const std::string& id) const {
  if (!directory_.empty()) {
    ::unlink(absl::StrCat(directory_, "/", id).c_str());
  }
}

std::vector<CniRecords::Record> CniRecords::List() const {
  std::vector<Record> records;
  if (directory_.empty()) {
    return records;
  }
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory_, error), end; !error && at != end;
       at.increment(error)) {
    Record record = {.id = at->path().filename().string(), .hostname = "", .result = ""};
    const StatusOr<std::string> text = ReadFile(at->path().string());
    const size_t line = text.ok() ? text->find('\n') : std::string::npos;
    if (line != std::string::npos) {
      record.hostname = text->substr(0, line);
      record.result = text->substr(line + 1);
    }
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace cairn::sandbox
