#include "cache/blob/blob_reader.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace cairn::blob {
namespace {

class ReaderSource final : public fs::ByteSource {
 public:
  explicit ReaderSource(BlobReader& reader) : reader_(reader) {}

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    ASSIGN_OR_RETURN(const std::string bytes, reader_.ReadAt(offset_, size));
    std::memcpy(buffer, bytes.data(), bytes.size());
    offset_ += bytes.size();
    return bytes.size();
  }

 private:
  BlobReader& reader_;
  uint64_t offset_ = 0;
};

class FileReader final : public BlobReader {
 public:
  FileReader(UniqueFd fd, const BlobInfo& info) : fd_(std::move(fd)), info_(info) {}

  uint64_t size() const override { return info_.size; }

  StatusOr<std::string> ReadAt(uint64_t offset, uint64_t size) override {
    if (offset >= info_.size) {
      return std::string();
    }
    const uint64_t wanted = std::min(size, info_.size - offset);
    ASSIGN_OR_RETURN(std::string bytes, cairn::ReadAt(fd_.get(), offset, wanted));
    if (bytes.size() != wanted) {
      return absl::DataLossError(
          absl::StrCat("blob ", info_.digest.ToString(), " was cut while it was read"));
    }
    return bytes;
  }

  std::unique_ptr<fs::ByteSource> Stream() override {
    return std::make_unique<ReaderSource>(*this);
  }
  int fd() const override { return fd_.get(); }

 private:
  const UniqueFd fd_;
  const BlobInfo info_;
};

class MemoryReader final : public BlobReader {
 public:
  explicit MemoryReader(std::string bytes) : bytes_(std::move(bytes)) {}

  uint64_t size() const override { return bytes_.size(); }

  StatusOr<std::string> ReadAt(uint64_t offset, uint64_t size) override {
    return offset >= bytes_.size() ? std::string() : bytes_.substr(offset, size);
  }

  std::unique_ptr<fs::ByteSource> Stream() override {
    return std::make_unique<ReaderSource>(*this);
  }
  int fd() const override { return -1; }

 private:
  const std::string bytes_;
};

}  // namespace

std::unique_ptr<BlobReader> NewFileReader(UniqueFd fd, const BlobInfo& info) {
  return std::make_unique<FileReader>(std::move(fd), info);
}

std::unique_ptr<BlobReader> NewMemoryReader(std::string bytes) {
  return std::make_unique<MemoryReader>(std::move(bytes));
}

}  // namespace cairn::blob
