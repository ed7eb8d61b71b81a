// A directory that is removed with all it holds when its owner goes away. Move-only.
#pragma once

#include <string>

#include "runtime/base/status.h"

namespace cairn::fs {

class TempDir {
 public:
  // Makes a new directory, mode 0700, in the existing directory `parent`, named `prefix` and a
  // random ending.
  static StatusOr<TempDir> Create(const std::string& parent, const std::string& prefix);
  ~TempDir();
  TempDir(TempDir&& other) noexcept;
  TempDir& operator=(TempDir&& other) noexcept;

  const std::string& path() const { return path_; }

  // Leaves the directory in place and returns its path.
  std::string Release();

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace cairn::fs
