#include "runtime/fs/temp_dir.h"

#include <fcntl.h>
#include <stdlib.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/fs/root_dir.h"

namespace cairn::fs {
namespace {

void RemoveDirectory(const std::string& path) {
  if (path.empty()) {
    return;
  }
  // What cannot be removed stays for the owner of `parent` to find at the next start.
  static_cast<void>(RemoveTree(AT_FDCWD, path));
}

}  // namespace

StatusOr<TempDir> TempDir::Create(const std::string& parent, const std::string& prefix) {
  std::string path = absl::StrCat(parent, "/", prefix, "XXXXXX");
  if (::mkdtemp(path.data()) == nullptr) {
    return ErrnoStatus(errno, absl::StrCat("make a temporary directory in ", parent));
  }
  return TempDir(std::move(path));
}

TempDir::~TempDir() { RemoveDirectory(path_); }

TempDir::TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, std::string())) {}

TempDir& TempDir::operator=(TempDir&& other) noexcept {
  if (this != &other) {
    RemoveDirectory(path_);
    path_ = std::exchange(other.path_, std::string());
  }
  return *this;
}

std::string TempDir::Release() { return std::exchange(path_, std::string()); }

}  // namespace cairn::fs
