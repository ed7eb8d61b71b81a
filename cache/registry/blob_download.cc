#include "cache/registry/blob_download.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cairn::registry {

Status BlobDownload::Begin(const net::HttpResponse& response) {
  skip_ = 0;
  if (response.status != 206) {
    skip_ = offset_;
    return absl::OkStatus();
  }
  const std::string* range = response.Header("Content-Range");
  if (range == nullptr || !absl::StartsWith(*range, absl::StrCat("bytes ", offset_, "-"))) {
    return absl::DataLossError("the registry sent another range than was asked for");
  }
  return absl::OkStatus();
}

Status BlobDownload::Write(string_view data) {
  const size_t known = static_cast<size_t>(std::min<uint64_t>(skip_, data.size()));
  skip_ -= known;
  data.remove_prefix(known);
  if (offset_ + data.size() > descriptor_.size) {
    return absl::DataLossError(
        absl::StrCat("more than the ", descriptor_.size, " bytes of the descriptor"));
  }
  hasher_.Update(data);
  const Status written = sink_.Write(data);
  if (!written.ok()) {
    sink_failed_ = true;
    return written;
  }
  offset_ += data.size();
  if (progress_) {
    progress_(offset_);
  }
  return absl::OkStatus();
}

Status BlobDownload::Finish() {
  if (offset_ != descriptor_.size) {
    return absl::UnavailableError(
        absl::StrCat("got ", offset_, " of ", descriptor_.size, " bytes"));
  }
  const Digest digest = hasher_.Finish();
  if (digest != descriptor_.digest) {
    return absl::DataLossError(absl::StrCat("the bytes have the digest ", digest.ToString()));
  }
  return absl::OkStatus();
}

}  // namespace cairn::registry
