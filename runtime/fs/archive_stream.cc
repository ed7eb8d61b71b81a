// bzip2 and xz through libarchive's filters; the only file that includes libarchive.

#include <archive.h>
#include <archive_entry.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/fs/compression_streams.h"

namespace cairn::fs {
namespace {

struct FreeArchive {
  void operator()(struct archive* archive) const { archive_read_free(archive); }
};

class ArchiveSource final : public ByteSource {
 public:
  ArchiveSource(Encoding encoding, ByteSource& source)
      : encoding_(encoding), source_(source), input_(64 << 10) {}

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    if (archive_ == nullptr) {
      RETURN_IF_ERROR(Open());
    }
    if (empty_ || size == 0) {
      return size_t{0};
    }
    const la_ssize_t got = archive_read_data(archive_.get(), buffer, size);
    if (got < 0) {
      return Failure();
    }
    return static_cast<size_t>(got);
  }

 private:
  Status Open() {
    archive_.reset(archive_read_new());
    if (archive_ == nullptr) {
      return absl::ResourceExhaustedError("decompress: no memory");
    }
    struct archive* archive = archive_.get();
    const int filter = encoding_ == Encoding::kBzip2 ? archive_read_support_filter_bzip2(archive)
                                                     : archive_read_support_filter_xz(archive);
    // ARCHIVE_WARN would mean that the library calls a program of that name: never.
    if (filter != ARCHIVE_OK || archive_read_support_format_raw(archive) != ARCHIVE_OK ||
        archive_read_support_format_empty(archive) != ARCHIVE_OK) {
      return absl::InternalError("decompress: the library lacks bzip2 or xz");
    }
    if (archive_read_open(archive, this, nullptr, &ArchiveSource::Fill, nullptr) != ARCHIVE_OK) {
      return Failure();
    }
    if (archive_filter_code(archive, 0) == ARCHIVE_FILTER_NONE) {
      return absl::InvalidArgumentError("bad compressed data: not what it should be");
    }
    struct archive_entry* entry = nullptr;
    const int result = archive_read_next_header(archive, &entry);
    if (result == ARCHIVE_EOF) {
      empty_ = true;
    } else if (result != ARCHIVE_OK) {
      return Failure();
    }
    return absl::OkStatus();
  }

  // The source's own error when it had one.
  Status Failure() const {
    if (!source_status_.ok()) {
      return source_status_;
    }
    const char* text = archive_error_string(archive_.get());
    return absl::InvalidArgumentError(
        absl::StrCat("bad compressed data: ", text == nullptr ? "unreadable" : text));
  }

  static la_ssize_t Fill(struct archive* archive, void* self_pointer, const void** data) {
    auto* self = static_cast<ArchiveSource*>(self_pointer);
    const StatusOr<size_t> got = self->source_.Read(self->input_.data(), self->input_.size());
    if (!got.ok()) {
      self->source_status_ = got.status();
      archive_set_error(archive, EIO, "the source failed");
      return -1;
    }
    *data = self->input_.data();
    return static_cast<la_ssize_t>(*got);
  }

  const Encoding encoding_;
  ByteSource& source_;
  std::vector<char> input_;
  Status source_status_;
  std::unique_ptr<struct archive, FreeArchive> archive_;
  bool empty_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> NewArchiveDecompressor(Encoding encoding, ByteSource& source) {
  return std::make_unique<ArchiveSource>(encoding, source);
}

}  // namespace cairn::fs
