// A gRPC stream of messages that hold only bytes, as a DuplexStream. For the .cc files that open or
// serve such a stream.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "runtime/base/duplex_stream.h"

namespace cairn::client {

// `Stream` reads and writes `Message`, which has a `data` field. Where the two kinds of stream
// differ is given as functions: how writing ends, and how the call is broken off.
template <typename Message, typename Stream>
class MessageStream final : public DuplexStream {
 public:
  MessageStream(Stream& stream, std::function<void()> end_writes, std::function<void()> close)
      : stream_(stream), end_writes_(std::move(end_writes)), close_(std::move(close)) {}

  Incoming Read(std::string* chunk) override {
    if (!stream_.Read(&incoming_)) {
      return Incoming::kBroken;
    }
    *chunk = std::move(*incoming_.mutable_data());
    return Incoming::kData;
  }
  bool Write(string_view data) override {
    outgoing_.set_data(data.data(), data.size());
    return stream_.Write(outgoing_);
  }
  void EndWrites() override { end_writes_(); }
  void Close() override { close_(); }

 private:
  Stream& stream_;
  const std::function<void()> end_writes_;
  const std::function<void()> close_;
  Message incoming_;
  Message outgoing_;
};

}  // namespace cairn::client
