// The state of a build as told by the Status stream so far: what displays draw.
//
// Vertices are numbered in the order in which they first start. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "proto/control.pb.h"

namespace cairn::client {

struct TaskView {
  std::string id;
  std::string name;
  int64_t current = 0;
  int64_t total = 0;
  std::optional<absl::Time> started;
  std::optional<absl::Time> completed;
};

struct VertexView {
  int number = 0;  // 1, 2, ... ; 0 until it starts
  std::string digest;
  std::string name;
  bool cached = false;
  std::string error;
  // Closed and open intervals of work; a vertex may start several times.
  struct Interval {
    absl::Time started;
    std::optional<absl::Time> completed;
  };
  std::vector<Interval> intervals;
  std::vector<TaskView> tasks;
  // The last lines of its output, and the whole of it for the error report up to a bound.
  std::deque<std::string> tail;
  std::string unfinished_line;

  bool running() const;
  bool completed() const;
  absl::Duration elapsed(absl::Time now) const;
};

class ProgressModel {
 public:
  // Applies one message; returns the digests of the vertices that it changed, in order.
  std::vector<std::string> Apply(const moby::buildkit::v1::StatusResponse& message);

  const std::vector<std::string>& order() const { return order_; }  // digests by first start
  VertexView& vertex(const std::string& digest) { return vertices_.at(digest); }
  const std::map<std::string, VertexView>& vertices() const { return vertices_; }
  const std::vector<moby::buildkit::v1::VertexWarning>& warnings() const { return warnings_; }

  int total() const { return static_cast<int>(vertices_.size()); }
  int completed() const;

 private:
  std::map<std::string, VertexView> vertices_;
  std::vector<std::string> order_;
  std::vector<moby::buildkit::v1::VertexWarning> warnings_;
};

}  // namespace cairn::client
