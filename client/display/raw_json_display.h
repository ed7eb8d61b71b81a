// Progress as one JSON object a line: BuildKit's SolveStatus, which tools read (protocol.md 4.1,
// rawjson).
#pragma once

#include <cstdio>

#include "client/display/display.h"

namespace cairn::client {

class RawJsonDisplay final : public Display {
 public:
  // Writes to `out`, which outlives the display.
  explicit RawJsonDisplay(std::FILE* out) : out_(out) {}

  void Update(const moby::buildkit::v1::StatusResponse& message) override;
  void Finish(const Status&) override {}

 private:
  std::FILE* const out_;
};

}  // namespace cairn::client
