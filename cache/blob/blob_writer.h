// LocalWriter: the BlobWriter of LocalStore. Keeps the first bytes in memory, so that a small blob
// touches no file.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cache/blob/blob_store.h"
#include "cache/blob/local_store.h"
#include "cache/blob/object_files.h"

namespace cairn::blob {

class LocalWriter final : public BlobWriter {
 public:
  explicit LocalWriter(LocalStore& store) : store_(store) {}

  Status Write(string_view data) override;
  StatusOr<BlobInfo> Commit(std::optional<Digest> expected) override;

 private:
  LocalStore& store_;
  Hasher hasher_;
  uint64_t size_ = 0;
  std::string buffer_;  // all bytes so far, while there is no file
  std::unique_ptr<ObjectFiles::Temporary> file_;
};

}  // namespace cairn::blob
