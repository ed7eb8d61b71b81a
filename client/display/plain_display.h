// Progress as lines of text, one block after the other, for logs and pipes: "#5 [2/3] RUN make",
// "#5 0.412 cc -o app", "#5 DONE 3.1s".
#pragma once

#include <cstdio>
#include <map>
#include <string>

#include "client/display/display.h"
#include "client/progress_model.h"

namespace cairn::client {

class PlainDisplay final : public Display {
 public:
  // Writes to `out`, which outlives the display.
  explicit PlainDisplay(std::FILE* out) : out_(out) {}

  void Update(const moby::buildkit::v1::StatusResponse& message) override;
  void Finish(const Status& result) override;

 private:
  struct Printed {
    bool header = false;
    bool ended = false;
    std::map<std::string, bool> tasks;  // id -> completion was printed
    std::string pending;                // output after the last newline
  };

  void PrintLogs(const moby::buildkit::v1::StatusResponse& message);
  void PrintVertex(const VertexView& vertex);
  // Starts a block for the vertex if the last line printed was another's.
  void Focus(const VertexView& vertex);

  std::FILE* const out_;
  ProgressModel model_;
  std::map<std::string, Printed> printed_;
  std::string focused_;
};

}  // namespace cairn::client
