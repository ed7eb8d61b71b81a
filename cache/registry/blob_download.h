// BlobDownload: one blob on its way from a registry, over several tries and endpoints. Hashes what
// comes and knows how far it has come. Private to this folder; not thread-safe.
#pragma once

#include <functional>

#include "cache/registry/descriptor.h"
#include "runtime/fs/byte_stream.h"
#include "runtime/net/http_message.h"

namespace cairn::registry {

class BlobDownload final : public fs::ByteSink {
 public:
  // All outlive the download.
  BlobDownload(const Descriptor& descriptor, fs::ByteSink& sink,
               const std::function<void(uint64_t)>& progress)
      : descriptor_(descriptor), sink_(sink), progress_(progress) {}

  // Bytes that have reached the sink: where the next try goes on.
  uint64_t offset() const { return offset_; }
  // Whether the last failure was the sink's: no other try helps.
  bool sink_failed() const { return sink_failed_; }

  // Accepts a response that begins at the offset, or at 0: then what is known is skipped.
  Status Begin(const net::HttpResponse& response);

  // kDataLoss beyond the descriptor's size.
  Status Write(string_view data) override;

  // Checks size (kUnavailable when short) and digest (kDataLoss). Called once, at the end.
  Status Finish();

 private:
  const Descriptor& descriptor_;
  fs::ByteSink& sink_;
  const std::function<void(uint64_t)>& progress_;
  Hasher hasher_;
  uint64_t offset_ = 0;
  uint64_t skip_ = 0;
  bool sink_failed_ = false;
};

}  // namespace cairn::registry
