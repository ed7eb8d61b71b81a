#include "cache/blob/blob_writer.h"

#include "absl/strings/str_cat.h"
#include "runtime/base/fault_point.h"

namespace cairn::blob {

Status LocalWriter::Write(string_view data) {
  hasher_.Update(data);
  size_ += data.size();
  if (file_ == nullptr) {
    if (size_ <= BlobStore::kInlineBytes) {
      buffer_.append(data.data(), data.size());
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(file_, store_.files_->NewTemporary());
    RETURN_IF_ERROR_IN(WriteAll(file_->fd(), buffer_), "write a blob");
    buffer_ = std::string();
  }
  CAIRN_FAULT_POINT("blob.write");
  return Annotate(WriteAll(file_->fd(), data), "write a blob");
}

StatusOr<BlobInfo> LocalWriter::Commit(std::optional<Digest> expected) {
  const Digest digest = hasher_.Finish();
  if (expected.has_value() && *expected != digest) {
    return absl::DataLossError(absl::StrCat("expected a blob with digest ", expected->ToString(),
                                            ", but its bytes have ", digest.ToString()));
  }
  if (file_ == nullptr) {
    RETURN_IF_ERROR(store_.PutSmall(digest, buffer_));
  } else {
    RETURN_IF_ERROR(store_.PutLarge(digest, size_, *file_));
  }
  return BlobInfo{digest, size_};
}

}  // namespace cairn::blob
