// Progress drawn in place on a terminal: one line for each step that has started, timings, the last
// lines of output of running steps; redrawn as things change and when the window's size does.
//
// A thread redraws ten times a second so that timings move; Finish joins it.
#pragma once

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "client/display/display.h"
#include "client/progress_model.h"
#include "runtime/base/cancel.h"
#include "runtime/base/sync.h"

namespace cairn::client {

class TtyDisplay final : public Display {
 public:
  // Draws on the terminal `out`, which outlives the display.
  explicit TtyDisplay(std::FILE* out);
  ~TtyDisplay() override;

  void Update(const moby::buildkit::v1::StatusResponse& message) override;
  void Finish(const Status& result) override;

 private:
  void Draw(bool last) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<std::string> Lines(int width, int height, bool last)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StopRedrawing();

  std::FILE* const out_;
  const absl::Time started_;
  Mutex mu_;
  ProgressModel model_ ABSL_GUARDED_BY(mu_);
  size_t drawn_lines_ ABSL_GUARDED_BY(mu_) = 0;
  bool failed_ ABSL_GUARDED_BY(mu_) = false;
  CancelSource stop_;
  std::thread redraw_;
};

}  // namespace cairn::client
